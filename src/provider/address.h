// Which network addresses a base URL may lead to. A name in public DNS that resolves to a private address is an attack
// on what stands inside, so private addresses are spoken to only when the base URL itself is a local one.
#pragma once

#include <string>
#include <string_view>

struct sockaddr;

namespace trainer::provider {

enum class Reach {
  loopback,   // plain http, which carries the key in the clear
  anywhere,   // the host is local by its name: an address, a name without a dot, *.internal, *.local, *.lan ...
  the_world,  // no private, link-local, loopback or multicast address
};

// Precondition: core::check_api_base accepts it.
Reach reach_of(std::string_view api_base);

bool is_reachable(Reach reach, const sockaddr* address);

}  // namespace trainer::provider
