#include "core/splines/space_tables.hpp"

#include <algorithm>
#include <cmath>
#include <iomanip>
#include <limits>
#include <sstream>
#include <stdexcept>
#include <type_traits>

#include "point/basis.hpp"

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
      const double width = space.knots()[l + d] - space.knots()[l];
      reciprocals_[(d - 1) * n_knots + l] = static_cast<T>(1.0 / width);
    }
  }

  for (std::size_t i = 0; i < n_knots; ++i) {
    remainders_.push_back(static_cast<T>(space.knots()[i] - static_cast<double>(knots_[i])));
  }
  const auto intervals = static_cast<double>(space.intervals());
  frequency_ = static_cast<T>(intervals / (space.upper() - space.lower()));
  find_uniform_knots(space);
  fill_buckets();
}

// Knots are numbers of type double. They are treated as multiples of one spacing if none deviates
// by more than a fraction of it that is negligible in T.
template <class T>
void SpaceTables<T>::find_uniform_knots(const SplineSpace& space) {
  const DoubleDouble exact = spacing(space);
  // Multiples of the first part of the spacing are exact if both have no more digits than T.
  constexpr int digits_of_multiples = std::is_same_v<T, float> ? 12 : 20;
  constexpr double negligible = std::is_same_v<T, float> ? 4e-9 : 5e-14;
  uniform_ = space.uniform(negligible) && space.intervals() < (index{1} << digits_of_multiples);
  int exponent = 0;
  std::frexp(exact.high, &exponent);
  const int last_digit = exponent - (std::numeric_limits<T>::digits - digits_of_multiples);
  const auto first_part =
      static_cast<T>(std::ldexp(std::nearbyint(std::ldexp(exact.high, -last_digit)), last_digit));
  uniform_knots_ = {
      .lower = static_cast<T>(space.lower()),
      .lower_rest =
          static_cast<T>(space.lower() - static_cast<double>(static_cast<T>(space.lower()))),
      .spacing = first_part,
      .spacing_rest = static_cast<T>((exact - DoubleDouble{static_cast<double>(first_part)}).high),
      .frequency = static_cast<T>((DoubleDouble{1.0} / exact).high),
      .last = static_cast<T>(space.intervals() - 1)};
}

// The cell of x is monotone in x, even in rounded arithmetic. So a point in a bucket lies right of
// every breakpoint in an earlier bucket and left of every breakpoint in a later one, and counting
// breakpoints by bucket brackets its interval.
template <class T>
void SpaceTables<T>::fill_buckets() {
  const auto k = static_cast<std::size_t>(degree_);
  const auto n = static_cast<std::int32_t>(knots_.size() - 2 * k - 1);
  bucket_first_.assign(static_cast<std::size_t>(n), 0);
  bucket_last_.assign(static_cast<std::size_t>(n), 0);
  for (std::int32_t i = 1; i < n; ++i) {
    const T t = knots_[k + static_cast<std::size_t>(i)];
    const auto bucket = static_cast<std::int32_t>(
        point::equal_cell(t, knots_[k], frequency_, static_cast<T>(n - 1)));
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
  return {
      .knots = knots_.data(),
      .remainders = remainders_.data(),
      .reciprocals = reciprocals_.data(),
      .n_knots = static_cast<std::int32_t>(knots_.size()),
      .intervals = static_cast<std::int32_t>(bucket_first_.size()),
      .lower = knots_[k],
      .upper = knots_[knots_.size() - k - 1],
      .frequency = frequency_,
      .uniform = uniform_,
      .uniform_knots = uniform_knots_,
      .bucket_first = bucket_first_.data(),
      .bucket_last = bucket_last_.data(),
      .bisections = bisections_,
  };
}

template class SpaceTables<float>;
template class SpaceTables<double>;

}  // namespace kanml
