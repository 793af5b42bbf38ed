// The table of the kernels of matrices; compiled once for each instruction set.
#include "kernels/linalg/bidiagonal.hpp"
#include "kernels/linalg/products.hpp"
#include "kernels/linalg/reflections.hpp"

namespace kanml::kernels::inline KANML_TARGET {

const MatrixKernels& matrices() {
  static constexpr MatrixKernels filled = {
      .add_product = add_product,
      .add_transposed_product = add_transposed_product,
      .reduce = reduce_strip,
      .pass_rows = pass_rows,
      .add_rows = add_rows,
      .multiply_rows = multiply_rows,
  };
  return filled;
}

}  // namespace kanml::kernels::inline KANML_TARGET
