// The data of a spline space for evaluation in one scalar type, computed once.
#pragma once

#include <string_view>
#include <vector>

#include "core/splines/double_double.hpp"
#include "kanml/spline_space.hpp"
#include "point/space_view.hpp"

namespace kanml {

// The mean length (b - a) / n of the intervals, that of all if knots are uniform.
DoubleDouble spacing(const SplineSpace& space);

template <class T>
class SpaceTables {
 public:
  // Throws std::invalid_argument if knots coincide once rounded to T.
  explicit SpaceTables(const SplineSpace& space);

  point::SpaceView<T> view() const;

 private:
  int degree_;
  std::vector<T> knots_;
  std::vector<T> remainders_;
  std::vector<T> reciprocals_;
  T frequency_;
  bool uniform_;
  point::UniformKnots<T> uniform_knots_;
  std::vector<std::int32_t> bucket_first_;
  std::vector<std::int32_t> bucket_last_;
  std::int32_t bisections_;

  void find_uniform_knots(const SplineSpace& space);
  void fill_buckets();
};

}  // namespace kanml
