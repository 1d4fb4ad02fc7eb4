// Any body as a job, or a list of jobs: ids can stand in a path, texts in a row.
#include "core/text.h"
#include "fuzz.h"
#include "provider/wire.h"

namespace trainer::fuzz {

static void check(const provider::TaggedJob& job) {
  require(job.job.id.empty() || provider::is_object_id(job.job.id));
  require(core::is_valid_utf8(job.job.status));
  require(core::is_valid_utf8(job.token));
}

void target(std::string_view input) {
  if (auto job = provider::read_job(input)) {
    require(!job->job.id.empty());
    check(*job);
  }
  if (auto page = provider::read_jobs(input)) {
    require(page->items.size() <= page->elements);
    for (const auto& item : page->items) check(item);
  }
}

}  // namespace trainer::fuzz
