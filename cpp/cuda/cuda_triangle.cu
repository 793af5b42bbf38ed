#include "cuda/cuda_triangle.hpp"

#include <cusolverDn.h>

#include <stdexcept>
#include <string>

#include "cuda/cuda_device.hpp"

namespace kanml::cuda {

namespace {

void require(cusolverStatus_t status) {
  if (status != CUSOLVER_STATUS_SUCCESS) {
    throw std::runtime_error("cuSOLVER failed with status " + std::to_string(status));
  }
}

}  // namespace

struct Factorisation::Handle {
  Handle(Device& on, index rows, index columns)
      : device(on), height(static_cast<int>(rows)), n(static_cast<int>(columns)) {
    const Current current(device.gpu());
    require(cusolverDnCreate(&solver));  // its results are the same on every run
    int numbers = 0;
    require(cusolverDnDgeqrf_bufferSize(solver, height, n, nullptr, height, &numbers));
    const auto count = static_cast<std::size_t>(numbers) + static_cast<std::size_t>(n) + 1;
    memory = static_cast<double*>(device.allocate(count * sizeof(double)));
    work_size = numbers;
  }
  ~Handle() {
    cusolverDnDestroy(solver);
    if (memory != nullptr) device.release(memory);
  }

  Device& device;
  int height;
  int n;
  cusolverDnHandle_t solver = nullptr;
  double* memory = nullptr;  // factors (n), the status, work
  int work_size = 0;
};

Factorisation::Factorisation(Device& device, index height, index columns)
    : handle_(std::make_unique<Handle>(device, height, columns)) {}
Factorisation::~Factorisation() = default;

void Factorisation::operator()(double* matrix) {
  const Handle& own = *handle_;
  const Current current(own.device.gpu());
  double* const factors = own.memory;
  auto* const status = reinterpret_cast<int*>(factors + own.n);
  require(cusolverDnDgeqrf(own.solver, own.height, own.n, matrix, own.height, factors,
                           factors + own.n + 1, own.work_size, status));
}

}  // namespace kanml::cuda
