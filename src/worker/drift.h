// Drift: the worker looks at what each organization's scores, approvals and comments are by now.
#pragma once

#include <string>

namespace trainer::worker {

class Drift {
 public:
  // At as many organizations as there is time for, each in a transaction of its own; those that come next are next.
  void step();

 private:
  std::string cursor_;
};

}  // namespace trainer::worker
