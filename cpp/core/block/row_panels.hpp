// Panels of rows: those of some tiles, which are folded in together.
#pragma once

#include <algorithm>
#include <span>
#include <vector>

#include "core/block/records.hpp"
#include "kanml/terms.hpp"

namespace kanml {

struct RowPanels {
  std::vector<index> first_rows;  // (tiles + 1)

  RowPanels() = default;
  template <class T>
  RowPanels(const BatchRecords<T>& records, std::span<const RowTerm<T>> terms) : first_rows{0} {
    for (index t = 0; t < records.tiles(); ++t) {
      const auto n_rows = static_cast<index>(terms[records.batch_of(t)].formula->n_rows());
      first_rows.push_back(first_rows.back() + records.tile(t).count * n_rows);
    }
  }

  // Of rows: four times as many as columns keep the work of folding low.
  index capacity(index columns) const {
    index most = 0;
    for (std::size_t t = 1; t < first_rows.size(); ++t) {
      most = std::max(most, first_rows[t] - first_rows[t - 1]);
    }
    return std::min(std::max({most, 4 * columns, index{1024}}), first_rows.back());
  }
  // The first tile behind one whose rows do not fit.
  index end(index first, index capacity) const {
    const index limit = first_rows[static_cast<std::size_t>(first)] + capacity;
    return std::upper_bound(first_rows.begin(), first_rows.end(), limit) - first_rows.begin() - 1;
  }
};

}  // namespace kanml
