#include "core/reference.h"

#include <gtest/gtest.h>

#include "core/csv.h"

namespace trainer::core {
namespace {

using Fields = std::vector<std::string>;

std::vector<Fields> fields_of(std::string_view text) {
  auto records = parse_csv(text);
  std::vector<Fields> all;
  if (!records.ok()) {
    all.push_back({records.error().message, records.error().detail});
  } else {
    for (const CsvRecord& record : *records) all.push_back(record.fields);
  }
  return all;
}

std::string refusal(std::string_view text) {
  auto roasts = read_reference_roasts(text);
  return roasts.ok() ? "" : roasts.error().message + ": " + roasts.error().detail;
}

TEST(Csv, FieldsAreWhatStandsBetweenCommas) {
  EXPECT_EQ(fields_of("a,b\nc,\n"), (std::vector<Fields>{{"a", "b"}, {"c", ""}}));
  EXPECT_EQ(fields_of("a,b"), (std::vector<Fields>{{"a", "b"}}));
  EXPECT_EQ(fields_of(""), std::vector<Fields>{});
}

TEST(Csv, QuotesHoldCommasBreaksAndQuotes) {
  EXPECT_EQ(fields_of("\"a,b\",\"c\r\nd\",\"say \"\"hi\"\"\",\"\"\n"),
            (std::vector<Fields>{{"a,b", "c\r\nd", "say \"hi\"", ""}}));
  EXPECT_EQ(fields_of("a\"b,c"), (std::vector<Fields>{{"a\"b", "c"}}));
}

TEST(Csv, LinesEndInEveryWayAndBlankOnesAreLeftOut) {
  EXPECT_EQ(fields_of("a,b\r\n\r\nc,d\re,f\n \t,\n\n"), (std::vector<Fields>{{"a", "b"}, {"c", "d"}, {"e", "f"}}));
  EXPECT_EQ(fields_of("\xEF\xBB\xBF"
                      "a,b\n"),
            (std::vector<Fields>{{"a", "b"}}));
}

TEST(Csv, ErrorsNameTheirLine) {
  EXPECT_EQ(fields_of("a\n\"b\nc"),
            (std::vector<Fields>{{"invalid CSV in line 2", "A quote is opened and never closed."}}));
  EXPECT_EQ(fields_of("\"a\nb\"\n\"c\"d\n"),
            (std::vector<Fields>{{"invalid CSV in line 3", "There is text behind a closing quote."}}));
  EXPECT_EQ(fields_of("a\nb\xff\n"),
            (std::vector<Fields>{{"invalid CSV in line 2", "A byte is not part of any UTF-8 character."}}));
  EXPECT_EQ(fields_of(std::string_view("a\n\0\n", 4)),
            (std::vector<Fields>{{"invalid CSV in line 2", "A character is NUL."}}));
}

TEST(Csv, LinesInsideOfFieldsCount) {
  auto records = parse_csv("\"a\r\nb\rc\nd\"\nx\n");
  ASSERT_TRUE(records.ok());
  EXPECT_EQ((*records)[1].line, 5);
}

TEST(ReferenceRoasts, AreReadInBothForms) {
  auto roasts = read_reference_roasts("Comment, ROAST \n Nice cat ,Nicer than you.\n");
  ASSERT_TRUE(roasts.ok());
  EXPECT_EQ(roasts->front().comment, "Nice cat");
  EXPECT_EQ(roasts->front().roast, "Nicer than you.");
  EXPECT_EQ(roasts->front().category, "");
  roasts = read_reference_roasts("text,category\n\"One, two\",animals\n");
  ASSERT_TRUE(roasts.ok());
  EXPECT_EQ(roasts->front().comment, "");
  EXPECT_EQ(roasts->front().roast, "One, two");
  EXPECT_EQ(roasts->front().category, "animals");
}

TEST(ReferenceRoasts, AFileThatIsAnotherOneIsRefused) {
  EXPECT_EQ(refusal(""), "reference roasts are empty: There is not even a header.");
  EXPECT_EQ(refusal("comment,roast\n\n"), "reference roasts are empty: Behind the header there is nothing.");
  EXPECT_EQ(refusal("comment\nx\n"), "reference roasts lack a column: There is no column \"roast\".");
  EXPECT_EQ(refusal("roast,category\nx,y\n"), "reference roasts lack a column: There is no column \"comment\".");
  EXPECT_EQ(refusal("comment,roast,score\n"), "reference roasts have an unknown column: Column 3 is called \"score\".");
  EXPECT_EQ(refusal("comment,roast,roast\n"), "reference roasts have a column twice: It is \"roast\".");
  EXPECT_EQ(refusal("comment,roast\na,b,c\n"), "invalid CSV in line 2: It has 3 fields; the header has 2.");
  EXPECT_EQ(refusal("comment,roast\n\na,\n"), "invalid CSV in line 3: There is no roast in it.");
  EXPECT_EQ(refusal("comment,roast\n,b\n"), "invalid CSV in line 2: There is no comment in it.");
}

}  // namespace
}  // namespace trainer::core
