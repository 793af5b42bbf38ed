// What evaluation in one scalar type needs of a spline space, computed once.
#pragma once

#include <string_view>
#include <vector>

#include "kanml/spline_space.hpp"
#include "point/basis.hpp"

namespace kanml {

template <class T>
class SpaceTables {
 public:
  // Throws std::invalid_argument if knots coincide once rounded to T.
  explicit SpaceTables(const SplineSpace& space);

  point::SpaceView<T> view() const;

 private:
  int degree_;
  std::vector<T> knots_;
  std::vector<T> reciprocals_;
  std::vector<std::int32_t> bucket_first_;
  std::vector<std::int32_t> bucket_last_;
  T bucket_scale_;
  std::int32_t bisections_;
};

}  // namespace kanml
