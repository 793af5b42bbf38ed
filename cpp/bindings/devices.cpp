#include "kanml/devices.hpp"

#include <pybind11/typing.h>

#include "bindings.hpp"
#include "devices.hpp"
#include "dlpack.hpp"

namespace kanml::bindings {

namespace {

template <class T>
BoundArray<T> uploaded(const std::shared_ptr<Device>& device, const Array<T>& numbers) {
  const auto from = input(numbers, "numbers", numbers.size());
  BoundArray<T> array(device, {numbers.shape(), numbers.shape() + numbers.ndim()});
  const py::gil_scoped_release release;
  device->upload(from.data(), array.out().data(), from.size_bytes());
  return array;
}

template <class T>
Array<T> downloaded(const BoundArray<T>& array) {
  Array<T> numbers(array.shape());
  const auto to = output(numbers, "numbers", array.size());
  {
    const py::gil_scoped_release release;
    array.device()->download(array.in().data(), to.data(), to.size_bytes());
  }
  return numbers;
}

template <class T>
dlpack::Type type_of() {
  const auto code = std::is_floating_point_v<T> ? dlpack::floating : dlpack::signed_integer;
  return {code, 8 * sizeof(T), 1};
}

dlpack::Device dlpack_device(const Device& device) {
  return device.gpu() < 0 ? dlpack::Device{dlpack::processor, 0}
                          : dlpack::Device{dlpack::cuda, device.gpu()};
}

// Memory may be used again, in any stream, once all work with it is done.
void wait_to_release(Device& device) noexcept {
  try {
    device.wait();
  } catch (const std::runtime_error&) {  // as the process ends, the device may be gone already
  }
}

// What a capsule of DLPack keeps alive.
template <class T>
struct Lent {
  explicit Lent(const BoundArray<T>& given) : array(given), shape(given.shape()) {}
  ~Lent() { wait_to_release(*array.device()); }
  Lent(const Lent&) = delete;
  Lent& operator=(const Lent&) = delete;

  BoundArray<T> array;
  std::vector<index> shape;
  dlpack::ManagedTensor managed;
};

template <class T>
py::capsule lend(const BoundArray<T>& array) {
  array.device()->wait();  // then it can be read in any stream
  auto* const lent = new Lent<T>(array);
  lent->managed = {.tensor = {.data = const_cast<T*>(array.in().data()),
                              .device = dlpack_device(*array.device()),
                              .n_dimensions = static_cast<std::int32_t>(lent->shape.size()),
                              .type = type_of<T>(),
                              .shape = lent->shape.data(),
                              .strides = nullptr,
                              .byte_offset = 0},
                   .context = lent,
                   .deleter = [](dlpack::ManagedTensor* managed) {
                     delete static_cast<Lent<T>*>(managed->context);
                   }};
  return py::capsule(&lent->managed, dlpack::capsule_name, [](PyObject* capsule) {
    // Whoever takes the array renames the capsule, and deletes it then.
    if (PyCapsule_IsValid(capsule, dlpack::capsule_name) == 0) return;
    auto* const managed =
        static_cast<dlpack::ManagedTensor*>(PyCapsule_GetPointer(capsule, dlpack::capsule_name));
    managed->deleter(managed);
  });
}

bool in_order(const dlpack::Tensor& tensor) {
  const std::span extents(tensor.shape, static_cast<std::size_t>(tensor.n_dimensions));
  if (std::ranges::count(extents, 0) > 0) return true;  // no entries, and strides of any kind
  std::int64_t expected = 1;
  for (std::int32_t i = tensor.n_dimensions; tensor.strides != nullptr && i-- > 0;) {
    if (tensor.shape[i] != 1 && tensor.strides[i] != expected) return false;
    expected *= tensor.shape[i];
  }
  return true;
}

// The array of a capsule, which is used up; none unless it is one of type T.
template <class T>
std::optional<BoundArray<T>> borrow(const std::shared_ptr<Device>& device,
                                    const py::capsule& capsule) {
  auto* const managed = static_cast<dlpack::ManagedTensor*>(
      PyCapsule_GetPointer(capsule.ptr(), dlpack::capsule_name));
  if (managed == nullptr) throw py::error_already_set();
  const dlpack::Tensor& tensor = managed->tensor;
  const dlpack::Type type = type_of<T>();
  if (tensor.type.code != type.code || tensor.type.bits != type.bits || tensor.type.lanes != 1) {
    return std::nullopt;
  }
  const dlpack::Device expected = dlpack_device(*device);
  if (tensor.device.type != expected.type || tensor.device.number != expected.number) {
    throw py::value_error("the array is not in the memory of " + device->name());
  }
  if (!in_order(tensor)) {
    throw py::value_error(
        "an array on a device must be in C order, for instance by x.contiguous()");
  }
  auto* const data = reinterpret_cast<T*>(static_cast<char*>(tensor.data) + tensor.byte_offset);
  std::vector<index> shape(tensor.shape, tensor.shape + tensor.n_dimensions);
  PyCapsule_SetName(capsule.ptr(), dlpack::used_name);
  const std::shared_ptr<void> owner(managed, [device](dlpack::ManagedTensor* used) {
    wait_to_release(*device);
    const py::gil_scoped_acquire acquire;  // it may belong to Python
    if (used->deleter != nullptr) used->deleter(used);
  });
  return BoundArray<T>(device, owner, data, std::move(shape));
}

template <class T>
void bind_array(py::module_& m, const char* name) {
  using Bound = BoundArray<T>;
  py::class_<Bound>(m, name, "An array in the memory of a device.")
      .def_property_readonly("shape",
                             [](const Bound& array) -> py::typing::Tuple<index, py::ellipsis> {
                               return py::tuple(py::cast(array.shape()));
                             })
      .def_property_readonly("size", &Bound::size)
      .def("download", &downloaded<T>)
      .def("copied", &Bound::copied)
      .def("part", &Bound::part, py::arg("first"), py::arg("count"))
      .def("reshaped", &Bound::reshaped, py::arg("shape"))
      .def("lend", &lend<T>, "A capsule of DLPack.");
  m.def("uploaded", &uploaded<T>, py::arg("device"), py::arg("numbers").noconvert());
}

}  // namespace

void bind_devices(py::module_& m) {
  py::register_exception<OutOfDeviceMemory>(m, "OutOfDeviceMemory", PyExc_MemoryError);
  py::class_<Device, std::shared_ptr<Device>>(m, "Device", "Where block programs run.")
      .def_property_readonly("name", &Device::name)
      .def_property_readonly("gpu", &Device::gpu)
      .def_property_readonly("free_bytes", &Device::free_bytes)
      .def("wait", &Device::wait, py::call_guard<py::gil_scoped_release>());
  m.def("host_device", &host_device, "The host as a device, for tests.");
  m.def("has_cuda", &has_cuda, "Whether there is code for GPUs in this build.");
  m.def("cuda_devices", &cuda_devices, "The number of GPUs that this build can use.");
  m.def("cuda_device", &cuda_device, py::arg("number"));
  bind_array<double>(m, "DeviceArrayFloat64");
  bind_array<float>(m, "DeviceArrayFloat32");
  bind_array<index>(m, "DeviceArrayInt64");
  m.def(
      "borrowed",
      [](const std::shared_ptr<Device>& device, const py::capsule& capsule) -> py::object {
        if (auto array = borrow<double>(device, capsule)) return py::cast(*array);
        if (auto array = borrow<float>(device, capsule)) return py::cast(*array);
        throw py::type_error("an array on a device must have the dtype float32 or float64");
      },
      py::arg("device"), py::arg("capsule"), "The array of a capsule of DLPack, which it uses up.");
}

}  // namespace kanml::bindings
