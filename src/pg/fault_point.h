// Places where a test can make the server die, fail or stand still. In a release build they are nothing, not even a
// string.
#pragma once

#ifdef TRAINER_TEST

#include <string_view>

namespace trainer::pg {

// Does what the setting trainer.fault says of the point: a list of `point:action` or `point:action:count`, where point
// may have a dash and a detail. Actions: crash (SIGKILL of this process), error, sleep (one second) and wait (until the
// test removes the mark). Each time an entry acts, its mark, the file trainer_fault.<point> in the data directory,
// grows by a byte; an entry acts no more than count times (1), also across the restarts that it causes itself. Throws
// pg::Error.
void fault_point(std::string_view point, std::string_view detail = {});

void define_fault_setting();

}  // namespace trainer::pg

#define TRAINER_FAULT_POINT(...) ::trainer::pg::fault_point(__VA_ARGS__)
#else
#define TRAINER_FAULT_POINT(...) static_cast<void>(0)
#endif
