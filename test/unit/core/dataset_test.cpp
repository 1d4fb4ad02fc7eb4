#include "core/dataset.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "core/prompt.h"

namespace trainer::core {
namespace {

using namespace std::string_literals;

Candidate pair_of(std::string_view comment, std::string_view reply, std::string_view platform = {}) {
  return {"r", "c", comment, platform, reply};
}

Candidate preference(std::string_view comment, std::string_view preferred, std::string_view other) {
  return {"r", "c", comment, {}, preferred, other};
}

// A builder that took `per_group` replies to each of `groups` comments.
DatasetBuilder filled(int groups, int per_group, std::uint64_t seed = 1) {
  DatasetRules rules;
  rules.max_examples = 1000000;
  rules.seed = seed;
  DatasetBuilder builder(rules);
  for (int g = 0; g < groups; ++g) {
    for (int i = 0; i < per_group; ++i) {
      EXPECT_EQ(builder.add(pair_of("comment " + std::to_string(g), "reply " + std::to_string(i))), Verdict::accepted);
    }
  }
  return builder;
}

std::set<std::uint64_t> validation_groups(const DatasetBuilder& builder) {
  std::set<std::uint64_t> groups;
  for (std::size_t row = 0; row < builder.size(); ++row) {
    if (builder.is_validation(row)) groups.insert(builder.group(row));
  }
  return groups;
}

TEST(CleanExampleText, TrimsWithoutCallingThatCleaned) {
  std::string buffer;
  std::string_view text = " \n\xC2\xA0 two words\t ";
  EXPECT_FALSE(clean_example_text(text, buffer));
  EXPECT_EQ(text, "two words");
}

TEST(CleanExampleText, KeepsLineFeedsTabsAndEveryLanguage) {
  const std::string kept =
      "a\nb\tc caf\xC3\xA9 \xD7\xA9\xD7\x9C \xF0\x9F\x91\xA9\xE2\x80\x8D\xF0\x9F\x92\xBB \xE2\x80\xA8 end";
  std::string buffer;
  std::string_view text = kept;
  EXPECT_FALSE(clean_example_text(text, buffer));
  EXPECT_EQ(text, kept);
}

TEST(CleanExampleText, ControlCharactersAndInvalidBytesGo) {
  std::string buffer;
  const std::vector<std::pair<std::string, std::string>> cases{
      {"a\0b"s, "ab"},
      {"\x1B[0mred", "[0mred"},
      {"del\x7F", "del"},
      {"c1\xC2\x9Bx", "c1x"},
      {"a\r\nb", "a\nb"},
      {"a\rb", "a\nb"},
      {"bad\xFFx", "bad\xEF\xBF\xBDx"},
      {"\x01 x \x02", "x"},
      {"\x01\x02\x03", ""},
      {"12345678\x01", "12345678"},
      {"end\r", "end"},
  };
  for (const auto& [dirty, clean] : cases) {
    std::string_view text = dirty;
    EXPECT_TRUE(clean_example_text(text, buffer)) << clean;
    EXPECT_EQ(text, clean);
  }
}

TEST(SpecialTokens, AreFoundAnywhere) {
  for (const char* text :
       {"<|endoftext|>", "x <|fim_suffix|> y", "<|im_start|>user", "<|<|im_end|>", "a <| b <|fim_prefix|>"}) {
    EXPECT_TRUE(has_special_token(text)) << text;
  }
}

TEST(SpecialTokens, LookalikesAreText) {
  for (const char* text :
       {"", "<|", "<||>", "<| |>", "<|end of text|>", "a <| b |> c", "<|endoftext", "<|endoftext|", "a < b | c >"}) {
    EXPECT_FALSE(has_special_token(text)) << text;
  }
}

TEST(HashSet, KnowsExactlyWhatWasInserted) {
  HashSet set;
  std::set<std::pair<std::uint64_t, std::uint64_t>> model;
  std::mt19937_64 random(3);
  for (int i = 0; i < 20000; ++i) {
    // Few distinct values, all in the same few slots, and the value that marks a free slot: the hard cases.
    const Hash128 hash{random() % 300, (random() % 3) << (random() % 64)};
    const std::pair key =
        hash == Hash128{} ? std::pair<std::uint64_t, std::uint64_t>{1, 0} : std::pair{hash.low, hash.high};
    ASSERT_EQ(set.insert(hash), model.insert(key).second);
  }
  EXPECT_EQ(set.size(), model.size());
}

TEST(HashSet, TakesAtMostThirtyBytesAnEntry) {
  HashSet set;
  for (std::uint64_t i = 1; i <= 100000; ++i) {
    ASSERT_TRUE(set.insert({mix64(i), mix64(~i)}));
    if (i < 1000) continue;
    ASSERT_LE(static_cast<double>(set.bytes()) / static_cast<double>(i), 30.1);
  }
  EXPECT_FALSE(set.insert({mix64(5), mix64(~std::uint64_t{5})}));
}

TEST(DatasetBuilder, GivesBackTheCleanedTextsOfWhatItAccepts) {
  DatasetBuilder builder(DatasetRules{});
  const std::string comment = "  Nice\x01 hat ";
  EXPECT_EQ(builder.add(pair_of(comment, " Thanks\n")), Verdict::accepted);
  EXPECT_EQ(builder.comment(), "Nice hat");
  EXPECT_EQ(builder.reply(), "Thanks");
  EXPECT_EQ(builder.cleaned(), 1);
  EXPECT_EQ(builder.add(pair_of("plain", "text")), Verdict::accepted);
  EXPECT_EQ(builder.comment(), "plain");
  EXPECT_EQ(builder.cleaned(), 1);
  EXPECT_EQ(builder.add(pair_of("plain", "bell\x07")), Verdict::accepted);
  EXPECT_EQ(builder.cleaned(), 2) << "the reply alone counts, too";
}

TEST(DatasetBuilder, TheFirstOfTwoEqualPairsStays) {
  DatasetBuilder builder(DatasetRules{});
  EXPECT_EQ(builder.add({"r1", "c1", "hello", "twitter", "hi"}), Verdict::accepted);
  EXPECT_EQ(builder.add({"r2", "c2", "hello", "reddit", "hi"}), Verdict::duplicate) << "ids and platform do not count";
  EXPECT_EQ(builder.add(pair_of(" hello ", "hi\x01")), Verdict::duplicate) << "equal once cleaned";
  EXPECT_EQ(builder.add(pair_of("hello", "hey")), Verdict::accepted);
  EXPECT_EQ(builder.add(pair_of("hi", "hello")), Verdict::accepted) << "swapped is another pair";
  EXPECT_EQ(builder.add(pair_of("hel", "lohi")), Verdict::accepted) << "the same bytes, cut elsewhere";
  EXPECT_EQ(builder.size(), 4U);
  EXPECT_EQ(builder.count(Verdict::duplicate), 2);
  EXPECT_EQ(builder.cleaned(), 0) << "only accepted ones count";
}

TEST(DatasetBuilder, DropsWhatIsEmpty) {
  DatasetBuilder builder(DatasetRules{});
  EXPECT_EQ(builder.add(pair_of(" \n\t", "reply")), Verdict::empty_comment);
  EXPECT_EQ(builder.add(pair_of("comment", "\x01\xC2\xA0")), Verdict::empty_reply);
  EXPECT_EQ(builder.add(pair_of("", "")), Verdict::empty_comment);
  EXPECT_EQ(builder.size(), 0U);
}

TEST(DatasetBuilder, TheWholeExampleCountsAgainstTheLimit) {
  DatasetRules rules;
  rules.max_tokens = 100;
  rules.system_bytes = 200;
  const std::string comment(50, 'c');
  const std::size_t room = 400 - 200 - user_message_bytes(comment, "twitter");
  DatasetBuilder builder(rules);
  EXPECT_EQ(builder.add(pair_of(comment, std::string(room, 'r'), "twitter")), Verdict::accepted);
  EXPECT_EQ(builder.add(pair_of(comment, std::string(room + 1, 'r'), "twitter")), Verdict::too_long);
  EXPECT_EQ(builder.add(pair_of(comment, std::string(room + 1, 'r'))), Verdict::accepted) << "no platform, more room";
}

TEST(DatasetBuilder, TextsOfAHundredKilobytesFitTheCurrentFamilies) {
  DatasetBuilder builder(DatasetRules{});
  EXPECT_EQ(builder.add(pair_of(std::string(100 * 1024, 'c'), std::string(100 * 1024, 'r'))), Verdict::accepted);
  EXPECT_EQ(builder.add(pair_of("c", std::string(4 * 65536, 'r'))), Verdict::too_long);
}

TEST(DatasetBuilder, DropsSpecialTokensWhereverTheyStand) {
  DatasetBuilder builder(DatasetRules{});
  EXPECT_EQ(builder.add(pair_of("a <|endoftext|>", "b")), Verdict::special_token);
  EXPECT_EQ(builder.add(pair_of("a", "<|im_start|>b")), Verdict::special_token);
  EXPECT_EQ(builder.add(pair_of("a", "b", "<|im_end|>")), Verdict::special_token);
  EXPECT_EQ(builder.add(pair_of("a", "<|endof\x01text|>")), Verdict::special_token) << "hidden by a control character";
}

TEST(DatasetBuilder, StopsAtTheMaximum) {
  DatasetRules rules;
  rules.max_examples = 2;
  DatasetBuilder builder(rules);
  EXPECT_EQ(builder.add(pair_of("a", "1")), Verdict::accepted);
  EXPECT_FALSE(builder.full());
  EXPECT_EQ(builder.add(pair_of("a", "1")), Verdict::duplicate);
  EXPECT_EQ(builder.add(pair_of("a", "2")), Verdict::accepted);
  EXPECT_TRUE(builder.full());
  EXPECT_EQ(builder.add(pair_of("a", "3")), Verdict::full);
  EXPECT_EQ(builder.size(), 2U);
}

TEST(DatasetBuilder, CountsEachVerdictUnderItsName) {
  DatasetBuilder builder(DatasetRules{});
  (void)builder.add(pair_of("a", "1"));
  (void)builder.add(pair_of("a", "1"));
  (void)builder.add(pair_of("", "1"));
  EXPECT_EQ(builder.count(Verdict::accepted), 1);
  EXPECT_EQ(builder.count(Verdict::duplicate), 1);
  EXPECT_EQ(builder.count(Verdict::empty_comment), 1);
  EXPECT_EQ(builder.count(Verdict::too_long), 0);
  EXPECT_EQ(name(Verdict::accepted), "accepted");
  EXPECT_EQ(name(Verdict::duplicate), "duplicate");
  EXPECT_EQ(name(Verdict::empty_comment), "empty_comment");
  EXPECT_EQ(name(Verdict::empty_reply), "empty_reply");
  EXPECT_EQ(name(Verdict::same_replies), "same_replies");
  EXPECT_EQ(name(Verdict::too_long), "too_long");
  EXPECT_EQ(name(Verdict::special_token), "special_token");
  EXPECT_EQ(name(Verdict::full), "full");
}

TEST(Pairs, BothRepliesAreCleaned) {
  DatasetBuilder builder(DatasetRules{});
  EXPECT_EQ(builder.add(preference("c", " better ", "worse\x07\n")), Verdict::accepted);
  EXPECT_EQ(builder.reply(), "better");
  EXPECT_EQ(builder.non_preferred(), "worse");
  EXPECT_EQ(builder.cleaned(), 1);
  EXPECT_EQ(builder.add(pair_of("c", "better")), Verdict::accepted);
  EXPECT_EQ(builder.non_preferred(), "") << "an example is no pair";
}

TEST(Pairs, WithoutADifferenceNeitherIsPreferred) {
  DatasetBuilder builder(DatasetRules{});
  EXPECT_EQ(builder.add(preference("c", "same", "same")), Verdict::same_replies);
  EXPECT_EQ(builder.add(preference("c", "same", " same\x01\n")), Verdict::same_replies) << "once cleaned";
  EXPECT_EQ(builder.count(Verdict::same_replies), 2);
  EXPECT_EQ(builder.size(), 0U);
}

TEST(Pairs, EitherSideMayBeEmptyOrRefused) {
  DatasetBuilder builder(DatasetRules{});
  EXPECT_EQ(builder.add(preference(" ", "a", "b")), Verdict::empty_comment);
  EXPECT_EQ(builder.add(preference("c", " ", "b")), Verdict::empty_reply);
  EXPECT_EQ(builder.add(preference("c", "a", "\x01")), Verdict::empty_reply);
  EXPECT_EQ(builder.add(preference("c", "a <|im_end|>", "b")), Verdict::special_token);
  EXPECT_EQ(builder.add(preference("c", "a", "<|im_end|> b")), Verdict::special_token);
}

TEST(Pairs, BothRepliesCountAgainstTheLimit) {
  DatasetRules rules;
  rules.max_tokens = 100;
  const std::size_t room = 400 - user_message_bytes("c", {});
  DatasetBuilder builder(rules);
  EXPECT_EQ(builder.add(preference("c", std::string(100, 'a'), std::string(room - 100, 'b'))), Verdict::accepted);
  EXPECT_EQ(builder.add(preference("c", std::string(100, 'a'), std::string(room - 99, 'b'))), Verdict::too_long);
}

TEST(Pairs, AreTheSameOnlyWhenAllThreeTextsAre) {
  DatasetBuilder builder(DatasetRules{});
  EXPECT_EQ(builder.add(preference("c", "a", "b")), Verdict::accepted);
  EXPECT_EQ(builder.add(preference("c", "a", "b")), Verdict::duplicate);
  EXPECT_EQ(builder.add(preference("c", "a", "d")), Verdict::accepted) << "preferred over another one, too";
  EXPECT_EQ(builder.add(preference("c", "b", "a")), Verdict::accepted);
  EXPECT_EQ(builder.add(preference("d", "a", "b")), Verdict::accepted);
  EXPECT_EQ(builder.add(preference("c", "ab", "")), Verdict::empty_reply);
}

TEST(Pairs, OfEqualCommentsStayTogether) {
  DatasetBuilder builder(DatasetRules{});
  for (int i = 0; i < 40; ++i) {
    const std::string text = std::to_string(i);
    EXPECT_EQ(builder.add(preference("comment " + std::to_string(i % 20), "better " + text, "reply " + text)),
              Verdict::accepted);
  }
  builder.assign_split(0.3);
  for (std::size_t row = 0; row < 20; ++row) EXPECT_EQ(builder.is_validation(row), builder.is_validation(row + 20));
  EXPECT_EQ(builder.validation_size(), 12U);
}

TEST(Copies, StandInTheTrainingFileAlone) {
  DatasetBuilder builder(DatasetRules{});
  for (int i = 0; i < 40; ++i) {
    Candidate candidate = pair_of("comment", "reply");
    const std::string comment = "comment " + std::to_string(i);
    candidate.comment = comment;
    candidate.copies = i % 2 == 0 ? 2 : 1;
    ASSERT_EQ(builder.add(candidate), Verdict::accepted);
  }
  EXPECT_EQ(builder.size(), 40U) << "copies are no examples";
  EXPECT_EQ(builder.lines(), 60U);
  builder.assign_split(0.25);
  std::size_t lines = 0;
  for (std::size_t row = 0; row < 40; ++row) {
    EXPECT_EQ(builder.copies(row), builder.is_validation(row) || row % 2 == 1 ? 1 : 2);
    lines += static_cast<std::size_t>(builder.copies(row));
  }
  EXPECT_EQ(builder.lines(), lines);
  EXPECT_EQ(builder.validation_size(), 10U);
}

TEST(Split, MeetsTheFractionWhenGroupsAreSmall) {
  DatasetBuilder builder = filled(200, 1);
  builder.assign_split(0.1);
  EXPECT_EQ(builder.validation_size(), 20U);
  builder.assign_split(0.5);
  EXPECT_EQ(builder.validation_size(), 100U);
  builder.assign_split(0);
  EXPECT_EQ(builder.validation_size(), 0U);
  EXPECT_FALSE(builder.is_validation(0));
}

TEST(Split, BeforeItIsMadeNothingValidates) {
  const DatasetBuilder builder = filled(20, 1);
  EXPECT_FALSE(builder.is_validation(0));
  EXPECT_FALSE(builder.is_validation(1000));
}

TEST(Split, EqualCommentsUnderTwoIdsStayTogether) {
  DatasetBuilder builder(DatasetRules{});
  for (int i = 0; i < 40; ++i) {
    const std::string id = std::to_string(i);
    (void)builder.add({id, id, "comment " + std::to_string(i % 20), {}, "reply " + id});
  }
  builder.assign_split(0.3);
  for (std::size_t row = 0; row < 20; ++row) EXPECT_EQ(builder.is_validation(row), builder.is_validation(row + 20));
  EXPECT_EQ(builder.validation_size(), 12U);
}

TEST(Split, IsTheSameForTheSameSeedWhateverTheOrderOfRows) {
  DatasetBuilder forwards = filled(50, 4, 9);
  DatasetRules rules;
  rules.max_examples = 1000000;
  rules.seed = 9;
  DatasetBuilder backwards(rules);
  for (int g = 49; g >= 0; --g) {
    for (int i = 0; i < 4; ++i)
      (void)backwards.add(pair_of("comment " + std::to_string(g), "reply " + std::to_string(i)));
  }
  forwards.assign_split(0.2);
  backwards.assign_split(0.2);
  EXPECT_EQ(validation_groups(forwards), validation_groups(backwards));
  EXPECT_EQ(forwards.validation_size(), 40U);
}

TEST(Split, AnotherSeedGivesAnotherSplit) {
  DatasetBuilder one = filled(100, 1, 1);
  DatasetBuilder two = filled(100, 1, 2);
  one.assign_split(0.2);
  two.assign_split(0.2);
  int both = 0;
  for (std::size_t row = 0; row < 100; ++row) both += one.is_validation(row) && two.is_validation(row);
  EXPECT_LT(both, 12);
}

TEST(Split, TakesAtLeastOneGroupEvenWhenTheFractionRoundsToNone) {
  DatasetBuilder builder = filled(20, 1);
  builder.assign_split(0.001);
  EXPECT_EQ(builder.validation_size(), 1U);
}

TEST(Split, OneCommentAloneCannotBeSplit) {
  DatasetBuilder builder = filled(1, 50);
  builder.assign_split(0.5);
  EXPECT_EQ(builder.validation_size(), 0U);
}

TEST(Split, LeavesTenToTrainOnOrValidatesNothing) {
  DatasetBuilder ten = filled(10, 1);
  ten.assign_split(0.5);
  EXPECT_EQ(ten.validation_size(), 0U);
  DatasetBuilder twelve = filled(12, 1);
  twelve.assign_split(0.5);
  EXPECT_EQ(twelve.validation_size(), 2U);
  DatasetBuilder two_halves = filled(2, 9);
  two_halves.assign_split(0.5);
  EXPECT_EQ(two_halves.validation_size(), 0U) << "either half would leave nine";
  DatasetBuilder nothing(DatasetRules{});
  nothing.assign_split(0.5);
  EXPECT_EQ(nothing.validation_size(), 0U);
}

TEST(Split, OvershootsOnlyWhenThatComesNearer) {
  DatasetBuilder nearer = filled(10, 10);
  nearer.assign_split(0.26);  // 26 of 100: 30 is nearer than 20
  EXPECT_EQ(nearer.validation_size(), 30U);
  DatasetBuilder farther = filled(10, 10);
  farther.assign_split(0.24);
  EXPECT_EQ(farther.validation_size(), 20U);
}

// Each promise of assign_split, on many shapes.
TEST(Split, KeepsItsPromisesOnGroupsOfEverySize) {
  std::mt19937 random(5);
  for (int round = 0; round < 300; ++round) {
    DatasetRules rules;
    rules.max_examples = 100000;
    rules.seed = random();
    DatasetBuilder builder(rules);
    std::map<std::uint64_t, std::int64_t> sizes;
    const int groups = 1 + static_cast<int>(random() % 30);
    for (int g = 0; g < groups; ++g) {
      const int rows = 1 + static_cast<int>(random() % (g % 3 == 0 ? 40 : 4));
      for (int i = 0; i < rows; ++i) {
        ASSERT_EQ(builder.add(pair_of("g" + std::to_string(g), "r" + std::to_string(i))), Verdict::accepted);
        ++sizes[builder.group(builder.size() - 1)];
      }
    }
    ASSERT_EQ(sizes.size(), static_cast<std::size_t>(groups));
    const double fraction = 0.01 * static_cast<double>(1 + random() % 50);
    builder.assign_split(fraction);

    std::map<std::uint64_t, std::int64_t> validating;
    std::int64_t taken = 0;
    for (std::size_t row = 0; row < builder.size(); ++row) {
      if (!builder.is_validation(row)) continue;
      ++validating[builder.group(row)];
      ++taken;
    }
    ASSERT_EQ(static_cast<std::size_t>(taken), builder.validation_size());
    for (const auto& [group, rows] : validating) ASSERT_EQ(rows, sizes[group]) << "a comment on both sides";

    const std::int64_t all = static_cast<std::int64_t>(builder.size());
    std::int64_t smallest_left = all + 1;
    for (const auto& [group, rows] : sizes) {
      if (validating.count(group) == 0) smallest_left = std::min(smallest_left, rows);
    }
    if (taken == 0) {
      ASSERT_TRUE(groups < 2 || all - smallest_left < kMinTrainingExamples) << "there was room for one group";
      continue;
    }
    ASSERT_LT(validating.size(), sizes.size());
    ASSERT_GE(all - taken, kMinTrainingExamples);
    const auto target =
        std::min<std::int64_t>(std::llround(fraction * static_cast<double>(all)), all - kMinTrainingExamples);
    if (taken < target && all - taken - smallest_left >= kMinTrainingExamples) {
      ASSERT_LE(target - taken, taken + smallest_left - target) << "one more group would come nearer";
    }
    // Over the target only by the group that came last, and only where staying under would have been farther off.
    if (taken > target && validating.size() > 1) {
      ASSERT_TRUE(std::any_of(validating.begin(), validating.end(), [&](const auto& group) {
        const std::int64_t without = taken - group.second;
        return without <= target && taken - target < target - without;
      }));
    }
  }
}

}  // namespace
}  // namespace trainer::core
