#include <gtest/gtest.h>

#include "provider/wire.h"

namespace trainer::provider {
namespace {

const std::string kCsv =
    "step,train_loss,train_accuracy,valid_loss,valid_mean_token_accuracy\n1,2.5,0.5,,\n2,1.25,0.75,1.5,0.625\n";

void expect_both_rows(const std::vector<core::StepMetrics>& rows) {
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(rows[0].step, 1);
  EXPECT_EQ(rows[0].train_loss, 2.5);
  EXPECT_EQ(rows[0].train_accuracy, 0.5);
  EXPECT_FALSE(rows[0].valid_loss || rows[0].valid_accuracy);
  EXPECT_EQ(rows[1].step, 2);
  EXPECT_EQ(rows[1].train_loss, 1.25);
  EXPECT_EQ(rows[1].valid_loss, 1.5);
  EXPECT_EQ(rows[1].valid_accuracy, 0.625);
}

std::string base64(const std::string& bytes) {
  constexpr const char* kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    unsigned group = 0;
    for (std::size_t k = 0; k < 3; ++k) {
      group = group << 8 | (i + k < bytes.size() ? static_cast<unsigned char>(bytes[i + k]) : 0u);
    }
    for (std::size_t k = 0; k < 4; ++k) {
      text += i + k <= bytes.size() ? kAlphabet[group >> (18 - 6 * k) & 63] : '=';
    }
  }
  return text;
}

TEST(ResultFile, PlainCsv) {
  expect_both_rows(read_result_file(kCsv));
  expect_both_rows(read_result_file("\xEF\xBB\xBF" + kCsv));
}

TEST(ResultFile, LineEndsQuotesAndBlanksDoNotMatter) {
  expect_both_rows(read_result_file(
      "\"step\", \"train_loss\",train_accuracy,valid_loss,valid_mean_token_accuracy\r\n1,2.5,0.5,,\r\n\r\n 2 , "
      "1.25,0.75, "
      "1.5,\"0.625\""));
}

TEST(ResultFile, AStepIsWhatAnIntegerColumnHolds) {
  const auto rows = read_result_file("step,train_loss\n2147483647,1\n2147483648,1\n4294967297,1\n");
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0].step, 2147483647);
}

TEST(ResultFile, Base64OfItWithEveryPadding) {
  expect_both_rows(read_result_file(base64(kCsv)));
  expect_both_rows(read_result_file(base64(kCsv + "\n")));
  expect_both_rows(read_result_file(base64(kCsv + "\n\n")));
  std::string wrapped = base64(kCsv);
  for (std::size_t at = 60; at < wrapped.size(); at += 62) wrapped.insert(at, "\r\n");
  expect_both_rows(read_result_file(wrapped + "\n"));
}

TEST(ResultFile, EitherInsideAJsonString) {
  std::string escaped = kCsv;
  for (std::size_t at = 0; (at = escaped.find('\n', at)) != std::string::npos; at += 2) escaped.replace(at, 1, "\\n");
  expect_both_rows(read_result_file('"' + escaped + '"'));
  expect_both_rows(read_result_file('"' + base64(kCsv) + '"'));
}

TEST(ResultFile, ColumnsAreFoundByName) {
  const auto rows = read_result_file(
      "full_valid_loss,step,something,train_mean_token_accuracy,validation_mean_token_accuracy,validation_loss,train_"
      "loss\n"
      "9,3,x,0.5,0.25,4,1\n");
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0].step, 3);
  EXPECT_EQ(rows[0].full_valid_loss, 9);
  EXPECT_EQ(rows[0].train_accuracy, 0.5);
  EXPECT_EQ(rows[0].valid_accuracy, 0.25);
  EXPECT_EQ(rows[0].valid_loss, 4);
  EXPECT_EQ(rows[0].train_loss, 1);
}

TEST(ResultFile, CellsThatAreNoNumbersAreEmpty) {
  const auto rows =
      read_result_file("step,train_loss,valid_loss\n1,nan,inf\n2.0,1e999,abc\nx,1,1\n-1,1,1\n3\n9e99,1,1\n");
  ASSERT_EQ(rows.size(), 3u);
  for (const auto& row : rows) EXPECT_FALSE(row.train_loss || row.valid_loss);
  EXPECT_EQ(rows[1].step, 2);
  EXPECT_EQ(rows[2].step, 3);
}

TEST(ResultFile, AnythingElseHasNoRows) {
  for (const std::string& content :
       {std::string(), std::string("step"), std::string("null"), std::string("<html>"), std::string("{\"a\":1}"),
        std::string("loss,accuracy\n1,2\n"), std::string("\"step"), base64("loss,accuracy\n1,2\n"),
        base64(kCsv).substr(1), "!" + base64(kCsv), "=" + base64(kCsv), base64(kCsv) + "====", std::string("===="),
        base64(kCsv).substr(0, base64(kCsv).size() - 1), std::string("\x00\x01\x02", 3)}) {
    EXPECT_TRUE(read_result_file(content).empty()) << content;
  }
}

TEST(ResultFile, RowsAreBounded) {
  std::string content = "step\n";
  for (int i = 0; i < 150'000; ++i) content += "1\n";
  EXPECT_EQ(read_result_file(content).size(), 100'000u);
}

}  // namespace
}  // namespace trainer::provider
