// Any content as a result file.
#include "fuzz.h"
#include "provider/wire.h"

namespace trainer::fuzz {

void target(std::string_view input) {
  for (const auto& row : provider::read_result_file(input)) {
    require(row.step >= 0);
    if (row.train_loss) require(*row.train_loss - *row.train_loss == 0);
  }
}

}  // namespace trainer::fuzz
