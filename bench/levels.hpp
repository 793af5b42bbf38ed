// Whether a fine level costs what a coarse one does.
#pragma once

namespace bench {

// Prints the comparison. True if the regression network meets the goal; false if it does not, or
// if a result is wrong.
bool compare_levels();

}  // namespace bench
