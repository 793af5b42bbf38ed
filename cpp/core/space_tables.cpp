#include "core/space_tables.hpp"

#include <algorithm>
#include <iomanip>
#include <limits>
#include <sstream>
#include <stdexcept>
#include <type_traits>

namespace kanml {

template <class T>
SpaceTables<T>::SpaceTables(const SplineSpace& space)
    : degree_(space.degree()), knots_(space.knots().begin(), space.knots().end()) {
  const auto equal = std::adjacent_find(knots_.begin(), knots_.end(),
                                        [](T left, T right) { return !(left < right); });
  if (equal != knots_.end()) {
    const auto i = static_cast<std::size_t>(equal - knots_.begin());
    std::ostringstream message;
    message << std::setprecision(std::numeric_limits<double>::max_digits10) << "knots "
            << space.knots()[i] << " and " << space.knots()[i + 1] << " coincide in "
            << (std::is_same_v<T, float> ? "float32" : "float64");
    throw std::invalid_argument(message.str());
  }

  const std::size_t n_knots = knots_.size();
  const auto k = static_cast<std::size_t>(degree_);
  reciprocals_.assign(k * n_knots, T(0));
  for (std::size_t d = 1; d <= k; ++d) {
    for (std::size_t l = 0; l + d < n_knots; ++l) {
      // In double: the difference of two floats is exact there.
      const double width = static_cast<double>(knots_[l + d]) - static_cast<double>(knots_[l]);
      reciprocals_[(d - 1) * n_knots + l] = static_cast<T>(1.0 / width);
    }
  }

  // As many buckets as intervals. A bucket is a monotone function of x, in rounded arithmetic too,
  // so a point in bucket B lies right of every breakpoint in an earlier bucket and left of every
  // breakpoint in a later one: counting breakpoints by bucket brackets its interval.
  const auto n = static_cast<std::int32_t>(space.intervals());
  const T lower = knots_[k];
  const T upper = knots_[n_knots - k - 1];
  bucket_scale_ = static_cast<T>(n) / (upper - lower);
  bucket_first_.assign(static_cast<std::size_t>(n), 0);
  bucket_last_.assign(static_cast<std::size_t>(n), 0);
  for (std::int32_t i = 1; i < n; ++i) {
    const T t = knots_[k + static_cast<std::size_t>(i)];
    const std::int32_t bucket = point::bucket_of(t, lower, bucket_scale_, n);
    bucket_last_[static_cast<std::size_t>(bucket)] = i;
  }
  std::int32_t interval = 0;
  std::int32_t widest = 0;
  for (std::size_t b = 0; b < bucket_first_.size(); ++b) {
    bucket_first_[b] = interval;
    interval = std::max(interval, bucket_last_[b]);
    bucket_last_[b] = interval;
    widest = std::max(widest, interval - bucket_first_[b]);
  }
  bisections_ = 0;
  while ((std::int32_t{1} << bisections_) <= widest) ++bisections_;
}

template <class T>
point::SpaceView<T> SpaceTables<T>::view() const {
  const auto k = static_cast<std::size_t>(degree_);
  const auto n_buckets = static_cast<std::int32_t>(bucket_first_.size());
  return {
      .knots = knots_.data(),
      .reciprocals = reciprocals_.data(),
      .n_knots = static_cast<std::int32_t>(knots_.size()),
      .intervals = n_buckets,
      .lower = knots_[k],
      .upper = knots_[knots_.size() - k - 1],
      .bucket_first = bucket_first_.data(),
      .bucket_last = bucket_last_.data(),
      .bucket_scale = bucket_scale_,
      .n_buckets = n_buckets,
      .bisections = bisections_,
  };
}

template class SpaceTables<float>;
template class SpaceTables<double>;

}  // namespace kanml
