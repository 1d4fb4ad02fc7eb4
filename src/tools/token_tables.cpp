#include "tools/token_tables.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <map>
#include <unordered_map>
#include <utility>

namespace trainer::tools {
namespace {

using namespace core::tokens;
using core::Error;
using core::Result;

using Ids = std::unordered_map<std::string_view, TokenId>;

Error malformed(std::string what) {
  return {core::Condition::invalid_argument, std::move(what), "", ""};
}

// Of so many slots for `entries`, fewer than half are taken: most of what is looked up and not there is seen at once.
std::size_t slots_for(std::size_t entries) {
  return std::bit_ceil(entries * 2 + 2);
}

template <class T, class IsFree>
T& free_slot(std::vector<T>& table, std::uint64_t hash, IsFree is_free) {
  const Slots slots(table.size());
  std::uint64_t slot = slots.first(hash);
  while (!is_free(table[slot])) slot = slots.next(slot);
  return table[slot];
}

// The last two parts that the bytes of a token go through when they are merged as tiktoken does it, by the bytes of the
// parts; kNoToken when they never become this token.
std::pair<TokenId, TokenId> origin(const Ids& ids, std::string_view token, TokenId id) {
  std::vector<std::size_t> starts(token.size() + 1);
  for (std::size_t i = 0; i < starts.size(); ++i) starts[i] = i;
  const auto between = [&](std::size_t first, std::size_t last) {
    const auto found = ids.find(token.substr(starts[first], starts[last] - starts[first]));
    return found == ids.end() ? kNoToken : found->second;
  };
  while (starts.size() > 3) {
    std::size_t lowest = 0;
    TokenId merged = kNoToken;
    for (std::size_t i = 0; i + 2 < starts.size(); ++i) {
      const TokenId candidate = between(i, i + 2);
      if (candidate >= merged) continue;
      merged = candidate;
      lowest = i;
    }
    if (merged >= id) return {kNoToken, kNoToken};
    starts.erase(starts.begin() + static_cast<std::ptrdiff_t>(lowest) + 1);
  }
  return {between(0, 1), between(1, 2)};
}

// Sections one after another, behind the header.
class File {
 public:
  File() : bytes_(sizeof(FileHeader), '\0') {}

  template <class T>
  Section add(const std::vector<T>& elements) {
    bytes_.resize((bytes_.size() + 63) / 64 * 64, '\0');
    const Section section{bytes_.size(), elements.size()};
    bytes_.append(reinterpret_cast<const char*>(elements.data()), elements.size() * sizeof(T));
    return section;
  }

  std::string finish(FileHeader header) && {
    header.bytes = bytes_.size();
    std::memcpy(bytes_.data(), &header, sizeof header);
    return std::move(bytes_);
  }

 private:
  std::string bytes_;
};

void add_classes(const std::vector<CharClass>& of, File& file, FileHeader& header) {
  std::map<std::vector<CharClass>, std::uint16_t> known;
  std::vector<std::uint16_t> blocks;
  std::vector<CharClass> classes;
  for (std::size_t block = 0; block < kClassBlocks; ++block) {
    const auto begin = of.begin() + static_cast<std::ptrdiff_t>(block * kClassBlock);
    std::vector<CharClass> content(begin, begin + kClassBlock);
    const auto [place, is_new] = known.try_emplace(content, static_cast<std::uint16_t>(known.size()));
    if (is_new) classes.insert(classes.end(), content.begin(), content.end());
    blocks.push_back(place->second);
  }
  header.class_blocks = file.add(blocks);
  header.classes = file.add(classes);
}

void add_whole_tokens(const Vocabulary& vocabulary, File& file, EncodingHeader& header) {
  const auto is_long = [](const std::string& token) { return token.size() > kWordBytes; };
  const auto many = static_cast<std::size_t>(std::ranges::count_if(vocabulary.tokens, is_long));
  std::vector<WordEntry> words(slots_for(vocabulary.tokens.size() - many));
  std::vector<TokenId> longer(slots_for(many), kNoToken);
  // In the order of their ids, so that the commonest have the first place.
  for (TokenId id = 0; id < vocabulary.tokens.size(); ++id) {
    const std::string& token = vocabulary.tokens[id];
    if (is_long(token)) {
      free_slot(longer, hash_bytes(token), [](TokenId other) { return other == kNoToken; }) = id;
    } else {
      const WordKey key = word_key(token);
      free_slot(words, hash_word(key), [](const WordEntry& entry) { return entry.high == 0; }) = word_entry(key, id);
    }
  }
  header.words = file.add(words);
  header.longer = file.add(longer);
}

void add_merges(const Vocabulary& vocabulary, const Ids& ids, File& file, EncodingHeader& header) {
  std::vector<std::uint64_t> pairs(slots_for(vocabulary.tokens.size()));
  std::vector<std::uint64_t> pair_bits(pairs.size() * kBitsPerPair / 64);
  const Slots bit_slots(pair_bits.size() * 64);
  std::vector<TokenId> byte_pairs(0x10000, kNoToken);
  std::vector<TokenId> bytes(0x100);
  for (TokenId id = 0; id < vocabulary.tokens.size(); ++id) {
    const std::string& token = vocabulary.tokens[id];
    const auto byte = [&token](std::size_t i) { return std::size_t{static_cast<unsigned char>(token[i])}; };
    if (token.size() == 1) {
      bytes[byte(0)] = id;
      continue;
    }
    if (token.size() == 2) byte_pairs[byte(0) << 8 | byte(1)] = id;
    const auto [left, right] = origin(ids, token, id);
    if (left == kNoToken) continue;
    const std::uint64_t hash = hash_pair(pair_key(left, right));
    free_slot(pairs, hash, [](std::uint64_t entry) { return entry == 0; }) = pair_entry(left, right, id);
    const std::uint64_t bit = bit_slots.first(hash);
    pair_bits[bit / 64] |= std::uint64_t{1} << bit % 64;
  }
  header.pairs = file.add(pairs);
  header.pair_bits = file.add(pair_bits);
  header.byte_pairs = file.add(byte_pairs);
  header.bytes = file.add(bytes);
}

void add_texts(const Vocabulary& vocabulary, File& file, EncodingHeader& header) {
  std::vector<std::uint32_t> starts;
  std::vector<char> text;
  for (const std::string& token : vocabulary.tokens) {
    starts.push_back(static_cast<std::uint32_t>(text.size()));
    text.insert(text.end(), token.begin(), token.end());
  }
  starts.push_back(static_cast<std::uint32_t>(text.size()));
  header.starts = file.add(starts);
  header.text = file.add(text);
}

Ids ids_of(const Vocabulary& vocabulary) {
  Ids ids;
  ids.reserve(vocabulary.tokens.size());
  for (TokenId id = 0; id < vocabulary.tokens.size(); ++id) ids.emplace(vocabulary.tokens[id], id);
  return ids;
}

constexpr std::array<std::pair<std::string_view, CharClass>, 8> kProperties{{
    {"Lu", kUpper},
    {"Lt", kUpper},
    {"Ll", kLower},
    {"Lm", kCaseless},
    {"Lo", kCaseless},
    {"M", kMark},
    {"N", kNumber},
    {"White_Space", kSpace},
}};

struct Range {
  std::uint32_t first = 0;
  std::uint32_t last = 0;
  CharClass of{};
};

Result<Range> read_range(std::string_view line) {
  Range range;
  const char* const end = line.data() + line.size();
  const auto first = std::from_chars(line.data(), end, range.first, 16);
  if (first.ec != std::errc() || first.ptr == end) return malformed("a line does not begin with two numbers");
  const auto last = std::from_chars(first.ptr + 1, end, range.last, 16);
  if (last.ec != std::errc() || last.ptr == end) return malformed("a line does not begin with two numbers");
  const std::string_view property(last.ptr + 1, static_cast<std::size_t>(end - last.ptr - 1));
  const auto* known = std::ranges::find(kProperties, property, [](const auto& p) { return p.first; });
  if (known == kProperties.end()) return malformed("a property is not known");
  range.of = known->second;
  return range;
}

}  // namespace

Result<Vocabulary> read_vocabulary(EncodingName name, std::string_view file) {
  Vocabulary vocabulary{name, {}};
  for (std::size_t at = 0; at < file.size();) {
    const std::size_t size = static_cast<unsigned char>(file[at++]);
    if (size == 0 || size > file.size() - at) return malformed("a token does not end");
    vocabulary.tokens.emplace_back(file.substr(at, size));
    at += size;
  }
  const Ids ids = ids_of(vocabulary);
  if (ids.size() != vocabulary.tokens.size()) return malformed("a token is there twice");
  if (ids.size() > kIdMask) return malformed("there are too many tokens");
  for (int byte = 0; byte < 0x100; ++byte) {
    if (!ids.contains(std::string(1, static_cast<char>(byte)))) return malformed("a byte is no token");
  }
  return vocabulary;
}

Result<std::vector<CharClass>> read_classes(std::string_view file) {
  std::vector<CharClass> classes(kCodePoints, kOther);
  std::uint32_t free = 0;
  while (!file.empty()) {
    const std::string_view line = file.substr(0, file.find('\n'));
    file.remove_prefix(std::min(file.size(), line.size() + 1));
    const auto range = read_range(line);
    if (!range) return range.error();
    if (range->first < free || range->last < range->first || range->last >= classes.size()) {
      return malformed("a range is out of order");
    }
    std::fill(classes.begin() + range->first, classes.begin() + range->last + 1, range->of);
    free = range->last + 1;
  }
  for (const std::size_t newline : {'\r', '\n'}) classes[newline] = kNewline;
  return classes;
}

std::string token_tables(const std::vector<CharClass>& classes, const std::vector<Vocabulary>& vocabularies) {
  FileHeader header{};
  std::memcpy(header.magic, kMagic, sizeof kMagic);
  header.byte_order = kByteOrderMark;
  header.encodings = static_cast<std::uint32_t>(vocabularies.size());
  File file;
  add_classes(classes, file, header);
  for (std::size_t i = 0; i < vocabularies.size(); ++i) {
    const Vocabulary& vocabulary = vocabularies[i];
    EncodingHeader& encoding = header.encoding[i];
    name(vocabulary.name).copy(encoding.name, sizeof encoding.name);
    encoding.tokens = vocabulary.tokens.size();
    add_whole_tokens(vocabulary, file, encoding);
    add_merges(vocabulary, ids_of(vocabulary), file, encoding);
    add_texts(vocabulary, file, encoding);
  }
  return std::move(file).finish(header);
}

}  // namespace trainer::tools
