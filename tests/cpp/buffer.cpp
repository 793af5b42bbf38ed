#include "kanml/buffer.hpp"

#include <cstdint>
#include <cstring>
#include <utility>
#include <vector>

#include "check.hpp"

using kanml::Buffer;
using kanml::ThreadBuffer;

namespace {

bool begins_a_cache_line(const void* data) {
  return reinterpret_cast<std::uintptr_t>(data) % 64 == 0;
}

}  // namespace

TEST(memory_begins_with_a_cache_line_and_can_be_written) {
  for (const std::size_t bytes :
       std::vector<std::size_t>{1, 63, 64, 65, 4096, 100'000, 50'000'000}) {
    const Buffer buffer(bytes);
    CHECK(begins_a_cache_line(buffer.data()));
    std::memset(buffer.data(), 1, bytes);
  }
}

TEST(buffers_in_use_share_no_memory) {
  const std::size_t bytes = 1000;
  std::vector<Buffer> buffers;
  for (unsigned char i = 0; i < 20; ++i) {
    std::memset(buffers.emplace_back(bytes).data(), i, bytes);
  }
  for (unsigned char i = 0; i < 20; ++i) {
    const auto* const data = static_cast<const unsigned char*>(buffers[i].data());
    for (std::size_t place = 0; place < bytes; ++place) CHECK_EQUAL(int{data[place]}, int{i});
  }
}

TEST(freed_memory_serves_the_next_buffer) {
  void* freed = nullptr;
  {
    const Buffer buffer(123'456);
    freed = buffer.data();
  }
  CHECK(Buffer(123'456).data() == freed);
}

TEST(a_moved_buffer_has_one_owner) {
  Buffer from(1000);
  void* const data = from.data();
  const Buffer to(std::move(from));
  CHECK(to.data() == data);
  CHECK(Buffer(1000).data() != data);
}

TEST(each_thread_has_lines_of_its_own) {
  const std::size_t bytes = 100;
  const ThreadBuffer buffer(3, bytes);
  for (int thread = 0; thread < 3; ++thread) {
    CHECK(begins_a_cache_line(buffer.of(thread)));
    std::memset(buffer.of(thread), thread, bytes);
  }
  for (int thread = 0; thread < 3; ++thread) {
    const auto* const data = static_cast<const unsigned char*>(buffer.of(thread));
    CHECK_EQUAL(int{data[0]}, thread);
    CHECK_EQUAL(int{data[bytes - 1]}, thread);
  }
}
