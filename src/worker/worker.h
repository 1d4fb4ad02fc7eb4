// The worker of one database: claims operations, makes their calls, records what became of them.
#pragma once

#include "pg/postgres.h"

extern "C" PGDLLEXPORT void trainer_worker_main(Datum slot);
