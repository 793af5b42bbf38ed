#include "kanml/buffer.hpp"

#include <mutex>
#include <new>
#include <utility>
#include <vector>

namespace kanml {

namespace {

constexpr std::align_val_t line{64};
constexpr std::size_t most_kept = std::size_t{32} << 20;

struct Block {
  std::size_t bytes;
  void* data;
};

struct Store {
  std::mutex mutex;
  std::vector<Block> blocks;  // the latest last
  std::size_t bytes = 0;
};

Store& store() {
  static Store* const kept = new Store;  // never destroyed: buffers may outlive static objects
  return *kept;
}

}  // namespace

Buffer::Buffer(std::size_t bytes) : bytes_(bytes), data_(nullptr) {
  Store& kept = store();
  // Where another thread is at it, or was when the process forked, there is always new memory.
  if (const std::unique_lock lock(kept.mutex, std::try_to_lock); lock.owns_lock()) {
    for (std::size_t i = kept.blocks.size(); i-- > 0;) {
      const Block block = kept.blocks[i];
      if (block.bytes < bytes || block.bytes / 2 > bytes) continue;
      kept.blocks.erase(kept.blocks.begin() + static_cast<std::ptrdiff_t>(i));
      kept.bytes -= block.bytes;
      bytes_ = block.bytes;
      data_ = block.data;
      return;
    }
  }
  data_ = ::operator new(bytes, line);
}

Buffer::~Buffer() {
  if (data_ == nullptr) return;
  Store& kept = store();
  std::vector<Block> freed{{bytes_, data_}};
  if (const std::unique_lock lock(kept.mutex, std::try_to_lock);
      lock.owns_lock() && bytes_ <= most_kept) {
    kept.blocks.push_back(freed.back());
    kept.bytes += bytes_;
    freed.clear();
    while (kept.bytes > most_kept) {
      freed.push_back(kept.blocks.front());
      kept.bytes -= kept.blocks.front().bytes;
      kept.blocks.erase(kept.blocks.begin());
    }
  }
  for (const Block& block : freed) ::operator delete(block.data, line);
}

Buffer::Buffer(Buffer&& other) noexcept
    : bytes_(other.bytes_), data_(std::exchange(other.data_, nullptr)) {}

}  // namespace kanml
