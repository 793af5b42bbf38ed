// Programs on float32 and float64 arrays.
#include "kanml/program.hpp"

#include <pybind11/stl.h>

#include <algorithm>
#include <memory>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "arrays.hpp"
#include "bindings.hpp"

namespace kanml::bindings {

namespace {

struct Named {
  const char* name;
  Operation operation;
  std::size_t arity;
};

constexpr Named operations[] = {
#define KANML_NAMED(name, arity) {#name, Operation::name, arity},
    KANML_FOR_EACH_OPERATION(KANML_NAMED)
#undef KANML_NAMED
};

const Named& operation_of(const std::string& name) {
  for (const Named& operation : operations) {
    if (operation.name == name) return operation;
  }
  throw py::value_error("there is no operation '" + name + "'");
}

std::vector<std::string> names() {
  std::vector<std::string> all;
  for (const Named& operation : operations) all.emplace_back(operation.name);
  return all;
}

using Arrays = std::vector<py::array>;
using Written = std::tuple<std::string, std::int32_t, std::vector<std::int32_t>>;

Program make_program(int n_inputs, std::vector<double> constants,
                     const std::vector<Written>& written, std::vector<std::int32_t> outputs) {
  std::vector<Instruction> instructions;
  for (const auto& [name, result, arguments] : written) {
    const Named& named = operation_of(name);
    if (arguments.size() != named.arity) {
      throw py::value_error("instruction " + std::to_string(instructions.size()) + ": " + name +
                            " takes " + std::to_string(named.arity) + " arguments, got " +
                            std::to_string(arguments.size()));
    }
    Instruction& instruction =
        instructions.emplace_back(Instruction{named.operation, result, {-1, -1, -1}});
    std::copy(arguments.begin(), arguments.end(), instruction.arguments.begin());
  }
  return Program(n_inputs, std::move(constants), std::move(instructions), std::move(outputs));
}

template <class T>
Arrays run(const Program& program, const Arrays& inputs, index n, int threads) {
  std::vector<Array<T>> arrays;  // kept while threads read them
  std::vector<std::span<const T>> from;
  for (const py::array& given : inputs) {
    const std::string name = "inputs[" + std::to_string(arrays.size()) + "]";
    if (!py::isinstance<Array<T>>(given)) {
      throw py::type_error(name + " must be a C-contiguous array of " +
                           std::string(py::str(py::dtype::of<T>())));
    }
    const auto& array = arrays.emplace_back(py::reinterpret_borrow<Array<T>>(given));
    from.push_back(input(array, name.c_str(), array.size() == 1 ? 1 : n));
  }
  std::vector<std::span<T>> to;
  Arrays outputs;
  for (std::size_t o = 0; o < program.outputs().size(); ++o) {
    Array<T> array(n);
    to.push_back(output(array, "an output", n));
    outputs.push_back(std::move(array));
  }
  const py::gil_scoped_release release;
  program.run<T>(n, from, to, threads);
  return outputs;
}

Arrays run_program(const Program& program, const Arrays& inputs, index n, const py::dtype& dtype,
                   int threads) {
  if (n < 0) throw py::value_error("n is " + std::to_string(n) + ", expected at least 0");
  if (inputs.size() != static_cast<std::size_t>(program.n_inputs())) {
    throw py::value_error("inputs has " + std::to_string(inputs.size()) + " arrays, expected " +
                          std::to_string(program.n_inputs()));
  }
  if (dtype.equal(py::dtype::of<float>())) return run<float>(program, inputs, n, threads);
  if (dtype.equal(py::dtype::of<double>())) return run<double>(program, inputs, n, threads);
  throw py::type_error("dtype is " + std::string(py::str(dtype)) + ", expected float32 or float64");
}

}  // namespace

void bind_program(py::module_& m) {
  py::class_<Program, std::shared_ptr<Program>>(
      m, "Program", "Instructions on registers: inputs, then constants, then results.")
      .def(py::init(&make_program), py::arg("n_inputs"), py::arg("constants"),
           py::arg("instructions"), py::arg("outputs"),
           "An instruction is (name, register of the result, registers of the arguments).")
      .def("run", &run_program, py::arg("inputs").noconvert(), py::arg("n"), py::arg("dtype"),
           py::kw_only(), py::arg("threads"),
           "The outputs, arrays (n,), for inputs (n,), or (1,) for the same number everywhere.")
      .def_property_readonly("n_registers", &Program::n_registers);
  m.def("operations", &names, "The operations of programs, by their names in NumPy.");
}

}  // namespace kanml::bindings
