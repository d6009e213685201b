// SPDX-License-Identifier: MIT
#pragma once

#include <doctest/doctest.h>

#include <cstdint>
#include <map>
#include <protozero/pbf_reader.hpp>
#include <string>
#include <vector>
#include <zlib.h>

namespace rf::test {

/// A profile as a reader sees it.
struct decoded_profile {
    struct sample {
        std::vector<std::string> stack;  // "function file:line", innermost first
        std::vector<std::int64_t> values;
        std::map<std::string, std::string> labels;  // numbers as text, with their unit
    };
    std::vector<std::string> types;  // "tasks/count"
    std::vector<sample> samples;
    std::int64_t time_nanos = 0;
    bool symbolized = false;
    std::string default_type;

    [[nodiscard]] std::size_t with(const std::string& label, const std::string& text) const {
        std::size_t count = 0;
        for (const sample& one : samples)
            if (const auto found = one.labels.find(label); found != one.labels.end())
                count += found->second == text ? 1 : 0;
        return count;
    }
    [[nodiscard]] std::int64_t total() const {
        std::int64_t sum = 0;
        for (const sample& one : samples)
            sum += one.values.at(0);
        return sum;
    }
};

inline std::string uncompressed(const std::string& bytes) {
    z_stream stream = {};
    REQUIRE(inflateInit2(&stream, MAX_WBITS + 16) == Z_OK);
    std::string out(10'000'000, '\0');
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
    stream.avail_in = static_cast<uInt>(bytes.size());
    stream.next_out = reinterpret_cast<Bytef*>(out.data());
    stream.avail_out = static_cast<uInt>(out.size());
    CHECK(inflate(&stream, Z_FINISH) == Z_STREAM_END);
    CHECK(stream.avail_in == 0);
    out.resize(stream.total_out);
    inflateEnd(&stream);
    return out;
}

inline decoded_profile decode_profile(const std::string& file) {
    using reader = protozero::pbf_reader;
    const std::string bytes = uncompressed(file);
    std::vector<std::string> texts;
    std::map<std::uint64_t, std::string> functions;
    std::map<std::uint64_t, std::string> locations;
    for (reader top(bytes); top.next();)
        if (top.tag() == 6)
            texts.push_back(top.get_string());
        else
            top.skip();
    REQUIRE(!texts.empty());
    CHECK(texts.front().empty());
    const auto text = [&](std::int64_t number) {
        return texts.at(static_cast<std::size_t>(number));
    };
    for (reader top(bytes); top.next(5);) {
        std::uint64_t id = 0;
        std::string words;
        for (reader function = top.get_message(); function.next();)
            switch (function.tag()) {
            case 1: id = function.get_uint64(); break;
            case 2: words = text(function.get_int64()) + words; break;
            case 4: words += " " + text(function.get_int64()); break;
            default: function.skip();
            }
        CHECK(functions.emplace(id, words).second);
    }
    for (reader top(bytes); top.next(4);) {
        std::uint64_t id = 0;
        std::string words;
        for (reader location = top.get_message(); location.next();)
            if (location.tag() == 1) {
                id = location.get_uint64();
            } else if (location.tag() == 4) {
                for (reader line = location.get_message(); line.next();)
                    if (line.tag() == 1)
                        words = functions.at(line.get_uint64()) + words;
                    else
                        words += ":" + std::to_string(line.get_int64());
            } else {
                location.skip();
            }
        CHECK(locations.emplace(id, words).second);
    }
    decoded_profile made;
    for (reader top(bytes); top.next();) {
        if (top.tag() == 1) {
            std::string words;
            for (reader type = top.get_message(); type.next();)
                words += (words.empty() ? "" : "/") + text(type.get_int64());
            made.types.push_back(words);
        } else if (top.tag() == 2) {
            decoded_profile::sample& one = made.samples.emplace_back();
            for (reader sample = top.get_message(); sample.next();) {
                if (sample.tag() == 1) {
                    for (const std::uint64_t id : sample.get_packed_uint64())
                        one.stack.push_back(locations.at(id));
                } else if (sample.tag() == 2) {
                    for (const std::int64_t value : sample.get_packed_int64())
                        one.values.push_back(value);
                } else {
                    std::string key;
                    std::string value;
                    for (reader label = sample.get_message(); label.next();)
                        switch (label.tag()) {
                        case 1: key = text(label.get_int64()); break;
                        case 2: value = text(label.get_int64()); break;
                        case 3: value = std::to_string(label.get_int64()); break;
                        default: value += " " + text(label.get_int64());
                        }
                    CHECK(one.labels.emplace(key, value).second);
                }
            }
        } else if (top.tag() == 3) {
            for (reader mapping = top.get_message(); mapping.next();)
                if (mapping.tag() == 7)
                    made.symbolized = mapping.get_bool();
                else
                    mapping.skip();
        } else if (top.tag() == 9) {
            made.time_nanos = top.get_int64();
        } else if (top.tag() == 14) {
            made.default_type = text(top.get_int64());
        } else {
            top.skip();
        }
    }
    return made;
}

}  // namespace rf::test
