#include "core/dataset.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "core/bytes.h"
#include "core/prompt.h"
#include "core/text.h"

namespace trainer::core {
namespace {

constexpr std::size_t kFirstSlots = 64;

bool is_word_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

// The first byte of something that must not stay, or text.size().
std::size_t find_dirt(std::string_view text) {
  std::size_t at = 0;
  while ((at = find_unprintable(text, at)) < text.size()) {
    const Utf8Char next = decode_utf8(text, at);
    const bool stays = next.valid && (!is_control(next.value) || next.value == '\n' || next.value == '\t');
    if (!stays) return at;
    at += next.bytes;
  }
  return at;
}

void scrub(std::string_view text, std::string& out) {
  out.clear();
  for (std::size_t at = 0; at < text.size();) {
    const Utf8Char next = decode_utf8(text, at);
    at += next.bytes;
    const bool lone_return = next.value == '\r' && (at == text.size() || text[at] != '\n');
    if (lone_return) {
      out.push_back('\n');
    } else if (!is_control(next.value) || next.value == '\n' || next.value == '\t') {
      append_utf8(out, next.value);
    }
  }
}

struct Group {
  std::uint64_t hash = 0;
  std::int64_t rows = 0;
  bool taken = false;
};

// One entry a group, in the order of their hashes, which the seed of the hash makes a random one.
std::vector<Group> grouped(std::vector<std::uint64_t> hashes) {
  std::sort(hashes.begin(), hashes.end());
  std::vector<Group> groups;
  for (const std::uint64_t hash : hashes) {
    if (groups.empty() || groups.back().hash != hash) groups.push_back({hash, 0, false});
    ++groups.back().rows;
  }
  return groups;
}

// Takes groups until `target` rows are met as nearly as can be. `most`: rows that may be taken at all, fewer than there
// are, so that one group alone is never taken.
void take_groups(std::vector<Group>& groups, std::int64_t target, std::int64_t most) {
  std::int64_t taken = 0;
  Group* smallest_left = nullptr;
  for (Group& group : groups) {
    if (taken + group.rows <= target) {
      group.taken = true;
      taken += group.rows;
    } else if (smallest_left == nullptr || group.rows < smallest_left->rows) {
      smallest_left = &group;
    }
  }
  // Every group that is left would overshoot; the smallest one may still come nearer, and one there must be.
  if (smallest_left == nullptr || taken + smallest_left->rows > most) return;
  const std::int64_t under = target - taken;
  const std::int64_t over = smallest_left->rows - under;
  if (taken == 0 || over < under) smallest_left->taken = true;
}

}  // namespace

std::string_view name(Verdict verdict) {
  constexpr std::array<std::string_view, kVerdicts> kNames{"accepted",     "duplicate", "empty_comment", "empty_reply",
                                                           "same_replies", "too_long",  "special_token", "full"};
  return kNames[static_cast<std::size_t>(verdict)];
}

bool clean_example_text(std::string_view& text, std::string& buffer) {
  const bool dirty = find_dirt(text) < text.size();
  if (dirty) {
    scrub(text, buffer);
    text = buffer;
  }
  text = trimmed(text);
  return dirty;
}

bool has_special_token(std::string_view text) {
  for (std::size_t at = text.find("<|"); at != std::string_view::npos; at = text.find("<|", at)) {
    at += 2;
    std::size_t end = at;
    while (end < text.size() && is_word_character(text[end])) ++end;
    if (end > at && text.substr(end, 2) == "|>") return true;
  }
  return false;
}

std::size_t HashSet::slot_of(Hash128 hash) const {
  // The upper half times the size, and of that the upper half: an even spread over any size below 2^32.
  std::size_t slot = static_cast<std::size_t>(((hash.high >> 32) * slots_.size()) >> 32);
  while (slots_[slot] != Hash128{} && slots_[slot] != hash) slot = slot + 1 == slots_.size() ? 0 : slot + 1;
  return slot;
}

void HashSet::grow() {
  std::vector<Hash128> old(std::max(kFirstSlots, slots_.size() + slots_.size() / 2));
  old.swap(slots_);
  for (const Hash128& hash : old) {
    if (hash != Hash128{}) slots_[slot_of(hash)] = hash;
  }
}

bool HashSet::insert(Hash128 hash) {
  if (hash == Hash128{}) hash.low = 1;  // all zeros mean a free slot
  if ((size_ + 1) * 5 > slots_.size() * 4) grow();
  Hash128& slot = slots_[slot_of(hash)];
  if (slot == hash) return false;
  slot = hash;
  ++size_;
  return true;
}

Verdict DatasetBuilder::add(const Candidate& candidate) {
  const Verdict verdict = full() ? Verdict::full : judge(candidate);
  ++counts_[static_cast<std::size_t>(verdict)];
  return verdict;
}

// No text has more tokens than bytes, so hardly any need be counted.
bool DatasetBuilder::is_too_long(const Candidate& candidate) const {
  constexpr std::int64_t kOfTheMessages = 32;  // of up to four, beside their contents
  const std::size_t texts = user_message_bytes(comment_, candidate.platform) + reply_.size() + non_preferred_.size();
  const std::int64_t bytes = rules_.system_bytes + static_cast<std::int64_t>(texts);
  if (!rules_.tokens) return estimated_tokens(bytes) > rules_.max_tokens;
  return bytes + kOfTheMessages > rules_.max_tokens &&
         rules_.tokens(comment_, candidate.platform, reply_, non_preferred_) > rules_.max_tokens;
}

Verdict DatasetBuilder::judge(const Candidate& candidate) {
  const bool is_pair = candidate.non_preferred.has_value();
  comment_ = candidate.comment;
  reply_ = candidate.reply;
  non_preferred_ = candidate.non_preferred.value_or(std::string_view());
  const bool comment_cleaned = clean_example_text(comment_, comment_buffer_);
  const bool reply_cleaned = clean_example_text(reply_, reply_buffer_);
  const bool other_cleaned = is_pair && clean_example_text(non_preferred_, non_preferred_buffer_);
  if (comment_.empty()) return Verdict::empty_comment;
  if (reply_.empty() || (is_pair && non_preferred_.empty())) return Verdict::empty_reply;
  if (is_pair && reply_ == non_preferred_) return Verdict::same_replies;
  if (is_too_long(candidate)) return Verdict::too_long;
  if (has_special_token(comment_) || has_special_token(reply_) || has_special_token(non_preferred_) ||
      has_special_token(candidate.platform)) {
    return Verdict::special_token;
  }
  const Hash128 group = hash128(comment_, rules_.seed);
  const Hash128 replied = hash128(reply_, group);
  if (!known_.insert(is_pair ? hash128(non_preferred_, replied) : replied)) return Verdict::duplicate;
  groups_.push_back(group.low);
  copies_.push_back(static_cast<std::uint8_t>(candidate.copies));
  cleaned_ += comment_cleaned || reply_cleaned || other_cleaned;
  return Verdict::accepted;
}

std::size_t DatasetBuilder::lines() const {
  std::size_t lines = 0;
  for (std::size_t row = 0; row < size(); ++row) lines += static_cast<std::size_t>(copies(row));
  return lines;
}

void DatasetBuilder::assign_split(double fraction) {
  validation_.assign(groups_.size(), false);
  validation_size_ = 0;
  const std::int64_t rows = static_cast<std::int64_t>(groups_.size());
  const std::int64_t most = rows - kMinTrainingExamples;
  if (!(fraction > 0) || most < 1) return;
  std::vector<Group> groups = grouped(groups_);
  const std::int64_t target = std::min<std::int64_t>(std::llround(fraction * static_cast<double>(rows)), most);
  take_groups(groups, target, most);

  std::erase_if(groups, [](const Group& group) { return !group.taken; });
  for (std::size_t row = 0; row < groups_.size(); ++row) {
    const auto at = std::lower_bound(groups.begin(), groups.end(), groups_[row],
                                     [](const Group& group, std::uint64_t hash) { return group.hash < hash; });
    if (at == groups.end() || at->hash != groups_[row]) continue;
    validation_[row] = true;
    ++validation_size_;
  }
}

}  // namespace trainer::core
