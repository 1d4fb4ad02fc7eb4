// Uploads of training and validation files. The file's name carries the operation's token, so that a file whose upload
// was never answered can be found again.
#include <algorithm>
#include <limits>
#include <tuple>
#include <utility>
#include <vector>

#include "provider/call_steps.h"
#include "provider/classify.h"

namespace trainer::provider {
namespace {

using core::Delivery;
using core::Outcome;

constexpr std::size_t kFilesPerPage = 1000;

bool is_filename(std::string_view name) {
  return name.size() <= 200 && is_id(name) && name.find(':') == std::string_view::npos;
}

class Upload : public Call {
 public:
  explicit Upload(const core::Work& work)
      : spool_(work.spool),
        may_send_(work.operation.state == core::OperationState::sending),
        first_attempt_(work.operation.attempt <= 1),
        pages_("/files?purpose=fine-tune&order=desc&limit=" + std::to_string(kFilesPerPage), kFilesPerPage) {}

  Step start() override {
    if (!is_filename(spool_.filename) || spool_.bytes <= 0) return invalid_work("The file has no usable name or size.");
    if (may_send_ && spool_.fd < 0) return invalid_work("The file is not open.");
    if (may_send_ && first_attempt_) return send();
    return pages_.request();
  }

  Step advance(const HttpReply& reply) override { return sent_ ? uploaded(reply) : listed(reply); }

 private:
  Step send() {
    sent_ = true;
    HttpRequest request = post("/files", "");
    request.once = true;
    request.multipart = true;
    request.form.fields = {{"purpose", "fine-tune"}};
    request.form.file_field = "file";
    request.form.filename = spool_.filename;
    request.form.fd = spool_.fd;
    request.form.bytes = spool_.bytes;
    return request;
  }

  Step listed(const HttpReply& reply) {
    Outcome outcome = classify(reply);
    if (outcome.delivery != Delivery::ok) return doubtful(std::move(outcome));
    const auto page = read_files(reply.body);
    if (!page) return doubtful(unreadable(reply, "a list of files"));
    for (const RemoteFile& file : page->items) {
      if (file.filename != spool_.filename) continue;
      if (file.id.empty()) return doubtful(unreadable(reply, "a list in which our file has an id"));
      found_.push_back(file);
    }
    switch (pages_.turn(*page)) {
      case Pages::Turn::next:
        return pages_.request();
      case Pages::Turn::incomplete:
        if (!adoptable()) return doubtful(unreadable(reply, "a list of files that ends"));
        break;
      case Pages::Turn::complete:
        break;
    }
    return settle();
  }

  bool adoptable() const {
    return std::any_of(found_.begin(), found_.end(), [&](const RemoteFile& f) { return f.bytes == spool_.bytes; });
  }

  // The oldest file of the right size is ours; every other one of that name is one too many.
  Step settle() {
    std::sort(found_.begin(), found_.end(), [&](const RemoteFile& a, const RemoteFile& b) {
      const auto key = [&](const RemoteFile& f) {
        return std::tuple(f.bytes != spool_.bytes, f.created_at.value_or(std::numeric_limits<std::int64_t>::max()),
                          f.id);
      };
      return key(a) < key(b);
    });
    // Overlapping pages show a file twice.
    found_.erase(std::unique(found_.begin(), found_.end(),
                             [](const RemoteFile& a, const RemoteFile& b) { return a.id == b.id; }),
                 found_.end());
    Outcome outcome;
    outcome.delivery = Delivery::ok;
    const bool adopted = adoptable();
    if (adopted) outcome.remote_id = found_.front().id;
    for (std::size_t i = adopted ? 1 : 0; i < found_.size(); ++i) outcome.surplus_ids.push_back(found_[i].id);
    if (adopted) return outcome;
    if (may_send_) {
      surplus_ = std::move(outcome.surplus_ids);
      return send();
    }
    outcome.absent = true;
    return outcome;
  }

  // A look that failed: nothing was sent this time; that nothing arrived earlier it does not prove.
  static Step doubtful(Outcome outcome) {
    outcome.delivery = Delivery::not_sent;
    return outcome;
  }

  Step uploaded(const HttpReply& reply) {
    Outcome outcome = classify(reply);
    if (outcome.delivery == Delivery::ok) {
      const auto file = read_file(reply.body);
      const bool ours = file && (file->filename.empty() || file->filename == spool_.filename) &&
                        (file->bytes.value_or(0) <= 0 || file->bytes == spool_.bytes);
      if (!ours) return unreadable(reply, "the file that was sent");
      outcome.remote_id = file->id;
    }
    outcome.surplus_ids = std::move(surplus_);
    return outcome;
  }

  core::Spool spool_;
  bool may_send_;
  bool first_attempt_;
  bool sent_ = false;
  Pages pages_;
  std::vector<RemoteFile> found_;
  std::vector<std::string> surplus_;
};

}  // namespace

std::unique_ptr<Call> make_upload(const core::Work& work) {
  return std::make_unique<Upload>(work);
}

}  // namespace trainer::provider
