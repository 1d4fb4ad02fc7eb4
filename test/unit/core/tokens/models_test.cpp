#include "core/tokens/models.h"

#include <gtest/gtest.h>

namespace trainer::core::tokens {
namespace {

TEST(EncodingOfModel, IsThatOfItsFamily) {
  for (const char* model : {"gpt-4o", "gpt-4o-mini-2024-07-18", "chatgpt-4o-latest", "gpt-4.1",
                            "gpt-4.1-nano-2025-04-14", "o1", "o3-mini", "gpt-5", "gpt-5-mini", "gpt-5.1-codex"}) {
    EXPECT_EQ(encoding_of_model(model), EncodingName::o200k_base) << model;
  }
  for (const char* model : {"gpt-4", "gpt-4-0613", "gpt-4-turbo", "gpt-3.5-turbo", "gpt-3.5-turbo-0125", "davinci-002",
                            "text-embedding-3-small"}) {
    EXPECT_EQ(encoding_of_model(model), EncodingName::cl100k_base) << model;
  }
}

TEST(EncodingOfModel, OfATunedModelIsThatOfItsBase) {
  EXPECT_EQ(encoding_of_model("ft:gpt-4o-mini-2024-07-18:org::id"), EncodingName::o200k_base);
  EXPECT_EQ(encoding_of_model("ft:gpt-3.5-turbo-0125:org:suffix:id"), EncodingName::cl100k_base);
}

TEST(EncodingOfModel, OfAnUnknownModelIsNone) {
  for (const char* model :
       {"", "llama-3", "gpt-4ooo", "gpt-40", "gpt-4.7", "o10", "gpt", "ft:", "ft:x:gpt-4o", "GPT-4o"}) {
    EXPECT_EQ(encoding_of_model(model), std::nullopt) << model;
  }
}

TEST(EncodingNamed, KnowsItsNames) {
  EXPECT_EQ(encoding_named("o200k_base"), EncodingName::o200k_base);
  EXPECT_EQ(encoding_named("cl100k_base"), EncodingName::cl100k_base);
  EXPECT_EQ(encoding_named("p50k_base"), std::nullopt);
}

}  // namespace
}  // namespace trainer::core::tokens
