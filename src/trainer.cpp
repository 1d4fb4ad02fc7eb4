// The extension's entry: the magic block and _PG_init, which calls each module's own set-up and nothing else.
#include "pg/postgres.h"
#include "pg/settings.h"
#include "worker/launcher.h"

extern "C" {
PG_MODULE_MAGIC;
void _PG_init(void);
}

void _PG_init(void) {
  trainer::pg::define_settings();
  trainer::worker::register_launcher();
}
