// The one door to the server's headers, and the one file where versions of the server differ (14 to 18).
#pragma once

extern "C" {
#include <postgres.h>
//
#include <access/xact.h>
#include <catalog/pg_type.h>
#include <executor/spi.h>
#include <fmgr.h>
#include <funcapi.h>
#include <mb/pg_wchar.h>
#include <miscadmin.h>
#include <utils/builtins.h>
#include <utils/guc.h>
#include <utils/memutils.h>
}

// Some headers of the server rename standard functions; C++ code means the standard ones.
#undef snprintf
#undef vsnprintf
#undef sprintf
#undef vsprintf
#undef printf
#undef fprintf
#undef vprintf
#undef vfprintf
#undef strerror
#undef strerror_r
#undef gettext
#undef dgettext
#undef ngettext
#undef dngettext

#if PG_VERSION_NUM < 140000
#error "trainer needs PostgreSQL 14 or newer"
#endif

// MarkGUCPrefixReserved came with 15; before it, unknown settings under the prefix only get a warning.
#if PG_VERSION_NUM < 150000
#define MarkGUCPrefixReserved(prefix) EmitWarningsOnPlaceholders(prefix)
#endif

// The request hook for shared memory came with 15; before it, _PG_init asked directly.
#define TRAINER_HAS_SHMEM_REQUEST_HOOK (PG_VERSION_NUM >= 150000)
