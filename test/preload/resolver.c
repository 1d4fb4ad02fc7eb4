/* For tests, preloaded into the server: names under .test and .internal resolve as they say. hang-* takes half a minute; fail-*
 * fails as when the servers of names do (SERVFAIL); fickle* is 127.0.0.1 and 127.0.0.3, where nobody listens, by turns; a name
 * broken-six.* has the IPv6 address ::1 first, where nobody listens, and 127.0.0.1 behind it; a name
 * like 127-0-0-2.public.test has that address: a public name that leads inside; any other does not exist. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

typedef int (*resolver)(const char *, const char *, const struct addrinfo *, struct addrinfo **);

static int	turn;				/* of this process; the resolver may be called by several threads */

/* What freeaddrinfo() takes: a list, whoever has linked it. */
static int
both_of(resolver next, const char *service, const struct addrinfo *hints, struct addrinfo **result)
{
	struct addrinfo *fourth = NULL;
	int			failure = next("127.0.0.1", service, hints, &fourth);

	if (failure != 0 || next("::1", service, hints, result) != 0)
	{
		*result = fourth;
		return failure;
	}
	struct addrinfo *last = *result;

	while (last->ai_next != NULL)
		last = last->ai_next;
	last->ai_next = fourth;
	return 0;
}

int
getaddrinfo(const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **result)
{
	resolver	next = (resolver) dlsym(RTLD_NEXT, "getaddrinfo");
	size_t		length = node != NULL ? strlen(node) : 0;
	int			a, b, c, d;
	char		address[32];

	if (length < 9 || (strcmp(node + length - 5, ".test") != 0 && strcmp(node + length - 9, ".internal") != 0))
		return next(node, service, hints, result);
	if (strncmp(node, "hang-", 5) == 0)
	{
		sleep(30);
		return EAI_AGAIN;
	}
	if (strncmp(node, "fail-", 5) == 0)
		return EAI_AGAIN;
	if (strncmp(node, "fickle", 6) == 0)
		return next(__atomic_fetch_add(&turn, 1, __ATOMIC_RELAXED) % 2 ? "127.0.0.1" : "127.0.0.3", service, hints, result);
	if (strncmp(node, "broken-six.", 11) == 0)
		return both_of(next, service, hints, result);
	if (sscanf(node, "%d-%d-%d-%d.", &a, &b, &c, &d) != 4)
		return EAI_NONAME;
	snprintf(address, sizeof address, "%d.%d.%d.%d", a, b, c, d);
	return next(address, service, hints, result);
}
