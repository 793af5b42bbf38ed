// Processes that were forked and have executed no other program since.
#pragma once

namespace kanml {

bool in_forked_process();

}  // namespace kanml
