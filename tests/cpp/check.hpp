// Tests register themselves and run in order. The first check that fails ends its test.
#pragma once

#include <cmath>
#include <sstream>
#include <string>

namespace check {

// No std::exception, so that CHECK_THROWS cannot take it for one that is expected.
struct Failure {
  std::string message;
};

struct Test {
  Test(const char* name, void (*run)());
};

template <class... Parts>
[[noreturn]] void fail(const char* file, int line, const Parts&... parts) {
  std::ostringstream text;
  text.precision(17);
  text << file << ":" << line << ": ";
  (text << ... << parts);
  throw Failure{text.str()};
}

// Differences up to `tolerance`, absolute for numbers below one and relative above.
inline bool near(double value, double expected, double tolerance) {
  return std::fabs(value - expected) <= tolerance * std::fmax(1.0, std::fabs(expected));
}

}  // namespace check

#define TEST(name)                                         \
  static void name();                                      \
  static const check::Test registered_##name(#name, name); \
  static void name()

#define CHECK(condition)                                           \
  do {                                                             \
    if (!(condition)) check::fail(__FILE__, __LINE__, #condition); \
  } while (false)

#define CHECK_EQUAL(value, expected)                                              \
  do {                                                                            \
    if (const auto v = value; v != (expected)) {                                  \
      check::fail(__FILE__, __LINE__, #value " is ", v, ", expected ", expected); \
    }                                                                             \
  } while (false)

#define CHECK_NEAR(value, expected, tolerance)                                                   \
  do {                                                                                           \
    if (const double v = value, e = expected; !check::near(v, e, tolerance)) {                   \
      check::fail(__FILE__, __LINE__, #value " is ", v, ", expected ", e, " up to ", tolerance); \
    }                                                                                            \
  } while (false)

// The expression must throw this exception, and say `part`.
#define CHECK_THROWS(expression, Exception, part)                            \
  do {                                                                       \
    try {                                                                    \
      static_cast<void>(expression);                                         \
      check::fail(__FILE__, __LINE__, #expression " does not throw");        \
    } catch (const Exception& error) {                                       \
      if (std::string(error.what()).find(part) == std::string::npos) {       \
        check::fail(__FILE__, __LINE__, #expression " says: ", error.what(), \
                    ", expected: ", part);                                   \
      }                                                                      \
    }                                                                        \
  } while (false)
