// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <string_view>

namespace rf::leakcheck::detail {

/// Writes all of `bytes`, blocking. `what` names the report in the io_error that is thrown if the
/// descriptor takes no more.
void write_report(int fd, std::string_view bytes, const std::string& what);

/// Writes a file anew. Throws io_error; a file that could not be written whole is removed.
void write_report_file(const std::string& path, std::string_view bytes);

}  // namespace rf::leakcheck::detail
