#include "core/tokens/tables.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <iterator>
#include <utility>

namespace trainer::core::tokens {
namespace {

Error unusable(const std::string& path, std::string why) {
  return {Condition::wrong_state, "could not open the tables of the tokenizer", "\"" + path + "\": " + std::move(why),
          "The file belongs to the library and is installed with it: install the extension again."};
}

bool within(const Section& section, std::size_t element, std::uint64_t bytes) {
  return section.offset % alignof(std::uint64_t) == 0 && section.offset <= bytes &&
         section.count <= (bytes - section.offset) / element;
}

bool is_table(const Section& section, std::size_t element, std::uint64_t bytes) {
  return within(section, element, bytes) && section.count > 1 && std::has_single_bit(section.count);
}

bool is_whole(const EncodingHeader& e, std::uint64_t bytes) {
  return e.tokens > 0 && e.tokens <= kIdMask && is_table(e.words, sizeof(WordEntry), bytes) &&
         is_table(e.pairs, sizeof(std::uint64_t), bytes) && is_table(e.longer, sizeof(TokenId), bytes) &&
         is_table(e.pair_bits, sizeof(std::uint64_t), bytes) && within(e.byte_pairs, sizeof(TokenId), bytes) &&
         e.byte_pairs.count == 0x10000 && within(e.bytes, sizeof(TokenId), bytes) && e.bytes.count == 0x100 &&
         within(e.starts, sizeof(std::uint32_t), bytes) && e.starts.count == e.tokens + 1 && within(e.text, 1, bytes);
}

// Empty, or what is wrong.
std::string problem(const FileHeader& header, std::uint64_t bytes) {
  if (std::memcmp(header.magic, kMagic, sizeof kMagic) != 0) return "It is of another version.";
  if (header.byte_order != kByteOrderMark) return "It is of a machine with another byte order.";
  bool whole = header.bytes == bytes && header.encodings == kMaxEncodings &&
               within(header.class_blocks, sizeof(std::uint16_t), bytes) && header.class_blocks.count == kClassBlocks &&
               within(header.classes, 1, bytes);
  for (std::size_t i = 0; whole && i < kMaxEncodings; ++i) {
    const EncodingHeader& encoding = header.encoding[i];
    std::string padded(name(static_cast<EncodingName>(i)));
    padded.resize(sizeof encoding.name, '\0');
    whole = is_whole(encoding, bytes) && std::string_view(encoding.name, sizeof encoding.name) == padded;
  }
  return whole ? "" : "It is not whole.";
}

template <class T>
const T* at(const void* file, const Section& section) {
  return reinterpret_cast<const T*>(static_cast<const char*>(file) + section.offset);
}

Encoding view(const void* file, std::size_t index) {
  const auto& header = *static_cast<const FileHeader*>(file);
  const EncodingHeader& from = header.encoding[index];
  Encoding encoding;
  encoding.id = static_cast<EncodingName>(index);
  encoding.characters = {at<std::uint16_t>(file, header.class_blocks), at<CharClass>(file, header.classes)};
  encoding.tokens = from.tokens;
  encoding.words = at<WordEntry>(file, from.words);
  encoding.pairs = at<std::uint64_t>(file, from.pairs);
  encoding.pair_bits = at<std::uint64_t>(file, from.pair_bits);
  encoding.byte_pairs = at<TokenId>(file, from.byte_pairs);
  encoding.bytes = at<TokenId>(file, from.bytes);
  encoding.longer = at<TokenId>(file, from.longer);
  encoding.starts = at<std::uint32_t>(file, from.starts);
  encoding.text = at<char>(file, from.text);
  encoding.word_slots = Slots(from.words.count);
  encoding.pair_slots = Slots(from.pairs.count);
  encoding.pair_bit_slots = Slots(from.pair_bits.count * 64);
  encoding.longer_slots = Slots(from.longer.count);
  return encoding;
}

}  // namespace

std::string_view name(EncodingName encoding) {
  return encoding == EncodingName::o200k_base ? "o200k_base" : "cl100k_base";
}

TokenId Encoding::find(std::string_view whole) const {
  if (whole.empty()) return kNoToken;
  if (whole.size() <= kWordBytes) return find_word(word_key(whole));
  for (std::uint64_t slot = longer_slots.first(hash_bytes(whole));; slot = longer_slots.next(slot)) {
    const TokenId candidate = longer[slot];
    if (candidate == kNoToken || token(candidate) == whole) return candidate;
  }
}

Result<Tables> Tables::open(const std::string& path) {
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return unusable(path, std::string(std::strerror(errno)) + ".");
  struct stat status {};
  if (fstat(file, &status) != 0 || static_cast<std::size_t>(status.st_size) < sizeof(FileHeader)) {
    close(file);
    return unusable(path, "It is not whole.");
  }
  const auto bytes = static_cast<std::size_t>(status.st_size);
  void* mapped = mmap(nullptr, bytes, PROT_READ, MAP_SHARED, file, 0);
  const int error = errno;
  close(file);
  if (mapped == MAP_FAILED) return unusable(path, std::string(std::strerror(error)) + ".");
  Tables tables(mapped, bytes);
  std::string wrong = problem(*static_cast<const FileHeader*>(mapped), bytes);
  if (!wrong.empty()) return unusable(path, std::move(wrong));
  for (std::size_t i = 0; i < kMaxEncodings; ++i) tables.encodings_[i] = view(mapped, i);
  return tables;
}

Tables::Tables(Tables&& other) noexcept
    : file_(std::exchange(other.file_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {
  std::copy(std::begin(other.encodings_), std::end(other.encodings_), encodings_);
}

Tables& Tables::operator=(Tables&& other) noexcept {
  std::swap(file_, other.file_);
  std::swap(bytes_, other.bytes_);
  std::swap(encodings_, other.encodings_);
  return *this;
}

Tables::~Tables() {
  if (file_ != nullptr) munmap(const_cast<void*>(file_), bytes_);
}

}  // namespace trainer::core::tokens
