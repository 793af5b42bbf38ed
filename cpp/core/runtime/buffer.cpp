#include "kanml/buffer.hpp"

#include <mutex>
#include <new>
#include <utility>
#include <vector>

namespace kanml {

namespace {

constexpr std::align_val_t line{64};
constexpr std::size_t most_kept = std::size_t{32} << 20;

struct Memory {
  std::size_t bytes;
  void* data;
};

struct Store {
  std::mutex mutex;
  std::vector<Memory> memory;  // latest last
  std::size_t bytes = 0;
};

Store& store() {
  static Store* const kept = new Store;  // never destroyed: buffers may outlive static objects
  return *kept;
}

}  // namespace

Buffer::Buffer(std::size_t bytes) : bytes_(bytes), data_(nullptr) {
  Store& kept = store();
  // If another thread holds the lock, or held it when the process forked, new memory is taken.
  if (const std::unique_lock lock(kept.mutex, std::try_to_lock); lock.owns_lock()) {
    for (std::size_t i = kept.memory.size(); i-- > 0;) {
      const Memory piece = kept.memory[i];
      if (piece.bytes < bytes || piece.bytes / 2 > bytes) continue;
      kept.memory.erase(kept.memory.begin() + static_cast<std::ptrdiff_t>(i));
      kept.bytes -= piece.bytes;
      bytes_ = piece.bytes;
      data_ = piece.data;
      return;
    }
  }
  data_ = ::operator new(bytes, line);
}

Buffer::~Buffer() {
  if (data_ == nullptr) return;
  Store& kept = store();
  std::vector<Memory> freed{{bytes_, data_}};
  if (const std::unique_lock lock(kept.mutex, std::try_to_lock);
      lock.owns_lock() && bytes_ <= most_kept) {
    kept.memory.push_back(freed.back());
    kept.bytes += bytes_;
    freed.clear();
    while (kept.bytes > most_kept) {
      freed.push_back(kept.memory.front());
      kept.bytes -= kept.memory.front().bytes;
      kept.memory.erase(kept.memory.begin());
    }
  }
  for (const Memory& piece : freed) ::operator delete(piece.data, line);
}

Buffer::Buffer(Buffer&& other) noexcept
    : bytes_(other.bytes_), data_(std::exchange(other.data_, nullptr)) {}

}  // namespace kanml
