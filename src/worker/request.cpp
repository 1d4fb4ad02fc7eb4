// trainer_request_generation(): a reply in the background. The prompts are made here, in the session and with the
// rights of whoever asks; the worker sees nothing of the app's tables but the statement that writes the reply.
#include <string>

#include "core/serving.h"
#include "pg/generation.h"
#include "pg/replies.h"
#include "pg/settings.h"
#include "pg/spi.h"
#include "worker/ladder.h"

extern "C" {
#include <utils/uuid.h>
}

namespace trainer::worker {
namespace {

pg::NewRequest request_for(Datum comment_id, Datum options) {
  const pg::RequestOptions asked = pg::read_request_options(options);
  require_limits(asked.temperature, asked.max_tokens);
  const pg::Comment comment = known_comment(comment_id);
  pg::require_recordable(comment.organization_id, comment_id, asked.generation.response_id);
  const Ladder ladder(comment, asked.generation.rung, pg::current_settings());
  pg::NewRequest request;
  request.comment_id = comment_id;
  request.organization_id = comment.organization_id;
  request.response_id = asked.generation.response_id;
  request.temperature = asked.temperature;
  request.max_tokens = asked.max_tokens;
  request.why = ladder.why();
  request.assignment = ladder.assignment();
  for (const Candidate& candidate : ladder.candidates()) {
    request.rungs.push_back({std::string(core::name(candidate.rung)), candidate.model, candidate.custom_model_id,
                             messages_for(comment, candidate)});
  }
  return request;
}

Datum request_generation(FunctionCallInfo fcinfo) {
  if (PG_ARGISNULL(0) || PG_ARGISNULL(1)) {
    pg::fail({core::Condition::invalid_argument, "comment_id and options must not be null", "", ""});
  }
  Datum id = 0;
  {
    pg::Spi spi;
    Datum written = pg::add_request(request_for(PG_GETARG_DATUM(0), PG_GETARG_DATUM(1)));
    id = pg::guarded([&] { return SPI_datumTransfer(written, false, UUID_LEN); });
  }
  return id;
}

}  // namespace
}  // namespace trainer::worker

TRAINER_FUNCTION(trainer_request_generation) {
  return trainer::worker::request_generation(fcinfo);
}
