// Block programs: kernels for GPUs, as function templates of a *block* of threads.
//
// A block program is an object with
//   operator()(Block& block) const          what a block does
//   memory(block)                           the arrays of shared memory, taken once from a block
//   blocks, threads                         how many blocks there are, and threads of each
//
// and a Block is what such a program sees of its threads:
//   number(), blocks(), threads()           which block this is, of how many, and its size
//   shared<T>(name, count)                  an array that all threads of the block share
//   PerThread<T, N>                         N numbers of each thread: registers on a GPU, so that
//                                           indices must be constants
//   for_each_thread(f)                      calls f(thread) for every thread, in any order
//   sync()                                  a barrier: it ends a phase
//   phase(f)                                for_each_thread, and the barrier
//
// Between two barriers threads may run in any order, or at once. So no word of shared memory may be
// touched by two threads in one phase, one of them writing. What is outside for_each_thread is done
// by all threads alike, and must not write.
//
// Here blocks run on the host, one after the other, their threads in loops; cuda/device_block.hpp
// has blocks of a GPU.
#pragma once

#include <algorithm>
#include <cstddef>
#include <memory>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <vector>

#include "kanml/types.hpp"
#include "point/device.hpp"

namespace kanml::block {

// Two threads touched a word of shared memory in one phase, one of them writing, or it was read
// before it was written, or there is no such word.
class SharedMemoryError : public std::logic_error {
 public:
  using std::logic_error::logic_error;
};

// Who runs at present.
struct Moment {
  static constexpr int all_threads = -1;

  int thread = all_threads;
  int phase = 0;
};

// An array of shared memory that remembers who touched its words, and throws SharedMemoryError.
template <class T>
class CheckedArray {
 public:
  // What is known of a word: its last writer, its last reader, and their phases.
  struct Record {
    static constexpr int nobody = -2;
    static constexpr int several = -3;

    int writer = nobody;
    int written = nobody;
    int reader = nobody;
    int read = nobody;
  };

  // A word of the array. Programs use it as they would use a T&.
  class Word {
   public:
    Word(const CheckedArray& array, index i) : array_(array), i_(i) {}
    operator T() const { return array_.read(i_); }
    const Word& operator=(T value) const {
      array_.write(i_, value);
      return *this;
    }
    const Word& operator=(const Word& other) const { return *this = static_cast<T>(other); }
    const Word& operator+=(T term) const { return *this = static_cast<T>(*this) + term; }

   private:
    const CheckedArray& array_;
    index i_;
  };

  CheckedArray(const char* name, T* numbers, Record* records, index count, const Moment& now)
      : name_(name), numbers_(numbers), records_(records), count_(count), now_(&now) {}

  Word operator[](index i) const { return {*this, i}; }

 private:
  T read(index i) const {
    Record& record = of_word(i);
    if (record.writer == Record::nobody) fail(i, "is read before it is written");
    if (record.written == now_->phase && record.writer != now_->thread) {
      conflict(i, record.writer, "written", "read");
    }
    const bool first = record.read != now_->phase;
    record.reader = first || record.reader == now_->thread ? now_->thread : Record::several;
    record.read = now_->phase;
    return numbers_[i];
  }
  void write(index i, T value) const {
    Record& record = of_word(i);
    if (now_->thread == Moment::all_threads) fail(i, "is written by all threads");
    if (record.written == now_->phase && record.writer != now_->thread) {
      conflict(i, record.writer, "written", "written");
    }
    if (record.read == now_->phase && record.reader != now_->thread) {
      conflict(i, record.reader, "read", "written");
    }
    record.writer = now_->thread;
    record.written = now_->phase;
    numbers_[i] = value;
  }

  Record& of_word(index i) const {
    if (i < 0 || i >= count_) fail(i, "does not exist");
    return records_[i];
  }
  static std::string name_of(int thread) {
    if (thread == Record::several) return "several threads";
    if (thread == Moment::all_threads) return "all threads";
    return "thread " + std::to_string(thread);
  }
  [[noreturn]] void fail(index i, const std::string& what) const {
    throw SharedMemoryError(std::string(name_) + "[" + std::to_string(i) + "] " + what +
                            " in phase " + std::to_string(now_->phase));
  }
  [[noreturn]] void conflict(index i, int other, const char* did, const char* does) const {
    fail(i, std::string("is ") + did + " by " + name_of(other) + " and " + does + " by " +
                name_of(now_->thread));
  }

  const char* name_;
  T* numbers_;
  Record* records_;
  index count_;
  const Moment* now_;
};

// Arrays of shared memory lie one behind the other, each on a boundary of 16 bytes.
KANML_DEVICE constexpr std::size_t shared_bytes(std::size_t bytes) {
  return (bytes + 15) / 16 * 16;
}

// A block on the host. In checking mode its shared memory and PerThread watch over the rules.
template <bool Checked>
class HostBlock {
 public:
  template <class T>
  using Shared = std::conditional_t<Checked, CheckedArray<T>, T*>;

  template <class T, int N>
  class PerThread {
   public:
    explicit PerThread(const HostBlock& block)
        : numbers_(static_cast<std::size_t>(block.threads())), now_(&block.now_) {}

    T (&operator[](int thread))[N] {
      if (Checked && thread != now_->thread) {
        throw SharedMemoryError("a thread touches the registers of another");
      }
      return numbers_[static_cast<std::size_t>(thread)].of_thread;
    }

   private:
    struct Numbers {
      T of_thread[N];
    };
    std::vector<Numbers> numbers_;
    const Moment* now_;
  };

  HostBlock(int number, int blocks, int threads, std::size_t shared_bytes)
      : number_(number), blocks_(blocks), threads_(threads), memory_(shared_bytes / sizeof(Line)) {}

  int number() const { return number_; }
  int blocks() const { return blocks_; }
  int threads() const { return threads_; }

  template <class T>
  Shared<T> shared(const char* name, index count) {
    const std::size_t bytes = shared_bytes(static_cast<std::size_t>(count) * sizeof(T));
    if (taken_ + bytes > memory_.size() * sizeof(Line)) {
      throw SharedMemoryError(std::string(name) + " does not fit in shared memory");
    }
    T* const numbers = reinterpret_cast<T*>(reinterpret_cast<char*>(memory_.data()) + taken_);
    taken_ += bytes;
    if constexpr (Checked) {
      using Record = typename CheckedArray<T>::Record;
      const std::shared_ptr<Record[]> records(new Record[static_cast<std::size_t>(count)]);
      records_.push_back(records);
      return {name, numbers, records.get(), count, now_};
    } else {
      return numbers;
    }
  }

  template <class F>
  void for_each_thread(const F& f) {
    for (now_.thread = 0; now_.thread < threads_; ++now_.thread) f(int{now_.thread});
    now_.thread = Moment::all_threads;
  }
  void sync() { ++now_.phase; }
  template <class F>
  void phase(const F& f) {
    for_each_thread(f);
    sync();
  }

 private:
  struct alignas(16) Line {
    char bytes[16];
    Line() { std::ranges::fill(bytes, '\xff'); }  // NaN, until it is written
  };

  int number_;
  int blocks_;
  int threads_;
  std::vector<Line> memory_;
  std::size_t taken_ = 0;
  std::vector<std::shared_ptr<void>> records_;
  Moment now_;
};

// In the place of a block: finds how much shared memory a program takes.
class SharedMemorySize {
 public:
  template <class T>
  KANML_DEVICE T* shared(const char* /*name*/, index count) {
    bytes_ += shared_bytes(static_cast<std::size_t>(count) * sizeof(T));
    return nullptr;
  }
  std::size_t bytes() const { return bytes_; }

 private:
  std::size_t bytes_ = 0;
};

template <class Program>
std::size_t shared_bytes_of(const Program& program) {
  SharedMemorySize size;
  program.memory(size);
  return size.bytes();
}

// All blocks of a program, on the host.
template <bool Checked, class Program>
void run_on_host(const Program& program) {
  const std::size_t bytes = shared_bytes_of(program);
  for (int number = 0; number < program.blocks; ++number) {
    HostBlock<Checked> block(number, program.blocks, program.threads, bytes);
    program(block);
  }
}

}  // namespace kanml::block
