// The fused vector operations of the optimizers. All sums are computed in double, in an order that
// depends only on the length, so the result is the same on every run and for any number of threads.
// `out` may be one of the inputs only where a comment says so.
#pragma once

#include <span>

#include "kanml/types.hpp"

namespace kanml {

template <class T>
double dot(std::span<const T> x, std::span<const T> y);

// max |x_i|; NaN if any entry is NaN.
template <class T>
double max_abs(std::span<const T> x);

// out = y + a x. `out` may be x or y.
template <class T>
void axpy(double a, std::span<const T> x, std::span<const T> y, std::span<T> out);

struct AdamCoefficients {
  double learning_rate;
  double beta1;
  double beta2;
  double eps;
  index updates;  // the number of updates of the moments, including this one: at least 1
};

// One Adam direction (Kingma and Ba 2015, Algorithm 1): the moments are updated in place, and
//   direction = -learning_rate * m_hat / (sqrt(v_hat) + eps).
// `direction` may be the gradient. Decoupled weight decay is not included, since it acts on the
// parameters, whatever linear map the direction passes through afterwards.
template <class T>
void adam_direction(const AdamCoefficients& coefficients, std::span<const T> gradient,
                    std::span<T> first_moment, std::span<T> second_moment, std::span<T> direction);

template <class T>
struct CurvaturePair {
  std::span<const T> step;             // (n)
  std::span<const T> gradient_change;  // (n)
};

// The L-BFGS two-loop recursion (Nocedal and Wright 2006, Algorithm 7.4):
//   direction = -H gradient, H0 = diag(diagonal). `direction` may be the gradient.
template <class T>
void two_loop(std::span<const CurvaturePair<T>> pairs,  // oldest first
              std::span<const T> diagonal,              // (n), positive
              std::span<const T> gradient,              // (n)
              std::span<T> direction);                  // (n) out

// The diagonal of an inverse Hessian after one more pair: the diagonal of the BFGS update of
// B = r / diagonal with r = (y . diagonal y) / (s . y), inverted (Gilbert and Lemarechal 1989,
// section 4). Requires s . y > 0; entries stay positive and finite.
template <class T>
void update_diagonal(std::span<const T> step,             // (n)
                     std::span<const T> gradient_change,  // (n)
                     std::span<T> diagonal);              // (n) updated

}  // namespace kanml
