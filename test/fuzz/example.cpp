// Any comment, platform, reply and system message as a line of a training file: it is one line of JSON, and says just
// that; and the reply as either side of a preference pair. The texts stand on lines of their own; the reply is the
// rest.
#include <array>

#include "core/dataset.h"
#include "core/json_text.h"
#include "core/prompt.h"
#include "core/text.h"
#include "fuzz.h"
#include "provider/json.h"

namespace trainer::fuzz {

void target(std::string_view input) {
  std::string_view system = take_line(input);
  std::string_view comment = take_line(input);
  std::string_view platform = take_line(input);
  core::DatasetBuilder builder({});
  core::Candidate candidate{"r", "c", comment, platform, input};
  bool accepted = builder.add(candidate) == core::Verdict::accepted;
  std::string_view reply = accepted ? builder.reply() : input;
  std::string_view said = accepted ? builder.comment() : comment;
  if (accepted) require(core::is_valid_utf8(reply) && !core::has_special_token(reply));

  for (auto mode : {core::Escape::utf8, core::Escape::ascii}) {
    std::string line;
    core::MessageWriter(system, mode).append(line, said, platform, reply);
    require(line.find('\n') == std::string::npos && line.find('\r') == std::string::npos);
    require(core::is_valid_utf8(line));
    auto document = provider::JsonDocument::parse(line);
    require(document.has_value());
    auto last = document->root().at(document->root().size() - 1);
    require(last["content"].text() == core::to_valid_utf8(reply));
    require(last["role"].text() == "assistant");
    std::string again;
    core::append_messages(again, system, core::user_message(said, platform), reply, mode);
    require(again == line);
    std::string other;
    core::append_reply(other, reply, mode);
    require(line.ends_with("," + other.substr(1)));
  }

  // Compared with itself, and with another one, on either side.
  candidate.non_preferred = input;
  require(builder.add(candidate) != core::Verdict::accepted);
  candidate.non_preferred = "other";
  bool is_pair = builder.add(candidate) == core::Verdict::accepted;
  if (is_pair) require(builder.reply() != builder.non_preferred() && builder.non_preferred() == "other");
  core::Candidate turned{"r", "c", comment, platform, "other", input};
  require((builder.add(turned) == core::Verdict::accepted) == is_pair);
}

}  // namespace trainer::fuzz
