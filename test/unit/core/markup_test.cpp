#include "core/markup.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <string>

namespace trainer::core {
namespace {

TEST(MarkupTest, TextCannotBecomeMarkup) {
  EXPECT_EQ(markup_text("<script>\"a\" & 'b'</script>]]>"),
            "&#x3c;script&#x3e;&#x22;a&#x22; &#x26; &#x27;b&#x27;&#x3c;/script&#x3e;]]&#x3e;");
}

TEST(MarkupTest, WhatIsBeyondAsciiIsAReference) {
  EXPECT_EQ(markup_text("caf\u00e9 \u2028 \U0001F35E"), "caf&#xe9; &#x2028; &#x1f35e;");
}

TEST(MarkupTest, LineBreaksAndTabsAreSpaces) {
  EXPECT_EQ(markup_text("a\nb\tc\rd"), "a b c d");
}

TEST(MarkupTest, WhatCannotBeReadOrTurnsTheDirectionIsReplaced) {
  for (const char* text :
       {"\x01", "\x7f", "\u0085", "\ufffe", "\uffff", "\u202e", "\u2066", "\u200f", "\u061c", "\xff"})
    EXPECT_EQ(markup_text(text), "&#xfffd;");
}

TEST(MarkupTest, PartsAreTextUnlessItIsSaidThatTheyAreMarkup) {
  EXPECT_EQ(fill_markup("<b>%t</b>%m 100 %%", {"<i>", "<i/>"}).value(), "<b>&#x3c;i&#x3e;</b><i/> 100 %");
  EXPECT_EQ(fill_markup("%t", {"%t"}).value(), "%t") << "what a part holds is no pattern";
}

TEST(MarkupTest, PatternsThatDoNotFitAreRefused) {
  EXPECT_FALSE(fill_markup("%t", {}));
  EXPECT_FALSE(fill_markup("%m%t", {"a"}));
  EXPECT_FALSE(fill_markup("a", {"a"}));
  EXPECT_FALSE(fill_markup("%s", {"a"}));
  EXPECT_FALSE(fill_markup("%", {"a"}));
}

RC_GTEST_PROP(MarkupProperty, TextIsHarmlessWhateverItIs, (const std::string& text)) {
  const std::string out = markup_text(text);
  RC_ASSERT(std::all_of(out.begin(), out.end(), [](char c) { return c >= ' ' && c <= '~'; }));
  RC_ASSERT(out.find_first_of("<>\"'") == std::string::npos);
  // Each & begins one of our references.
  for (std::size_t at = out.find('&'); at != std::string::npos; at = out.find('&', at + 1)) {
    const std::size_t end = out.find(';', at);
    RC_ASSERT(end != std::string::npos && end - at <= 10 && out.substr(at, 3) == "&#x");
  }
}

}  // namespace
}  // namespace trainer::core
