// Block programs on a GPU.
#pragma once

namespace kanml::cuda {

// Runs a program on the current device, in the default stream, without waiting for it. All that it
// points to must lie in memory of the device. Throws std::runtime_error if it cannot be started.
template <class Program>
void launch(const Program& program);

}  // namespace kanml::cuda
