// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace resp {

/// Takes requests out of a stream of bytes: RESP2 arrays of bulk strings, and inline commands.
///
/// Bytes are read where they lie; only a request that has not arrived in full is copied.
class request_reader {
public:
    enum class outcome { request, incomplete, malformed };

    /// The next bytes. They must stay where they are until keep_rest().
    void feed(std::span<const std::byte> bytes);

    /// Reads one request. Its words stay valid until the next call of a member that is not const.
    [[nodiscard]] outcome next();

    /// The words of the request that next() found; empty for an empty line.
    [[nodiscard]] std::span<const std::string_view> words() const noexcept { return words_; }
    /// What is wrong with a malformed request: one sentence.
    [[nodiscard]] const char* complaint() const noexcept { return complaint_; }

    /// Copies what has not been read yet, so that the bytes given to feed() may go.
    void keep_rest();

private:
    outcome read_array();
    outcome read_inline();
    outcome read_number(char mark, std::size_t max, const char* too_large, long long& value);
    outcome read_bulk();
    bool read_line(std::string_view& line);
    outcome fail(const char* complaint) noexcept;

    std::string kept_;         // of bytes fed earlier; empty when all were read
    std::string_view unread_;  // in kept_ or in the caller's bytes
    std::size_t at_ = 0;       // in unread_, within the request being read
    std::vector<std::string_view> words_;
    const char* complaint_ = "";
};

}  // namespace resp
