// SPDX-License-Identifier: MIT

// The one file that needs protozero and zlib; see the option `profile` of the build.
// The numbers are those of profile.proto, the published format of pprof.

#include <ringfence/leakcheck/detail/profile_table.hpp>

#if defined(RF_WITH_PROFILE)

#include <ringfence/runtime/assert.hpp>

#include <chrono>
#include <new>
#include <protozero/pbf_writer.hpp>
#include <zlib.h>

namespace rf::leakcheck::detail {
namespace {

enum class profile_field : protozero::pbf_tag_type {
    sample_type = 1,
    sample = 2,
    mapping = 3,
    location = 4,
    function = 5,
    string_table = 6,
    time_nanos = 9,
    default_sample_type = 14,
};
enum class value_field : protozero::pbf_tag_type { type = 1, unit = 2 };
enum class sample_field : protozero::pbf_tag_type { location_id = 1, value = 2, label = 3 };
enum class label_field : protozero::pbf_tag_type { key = 1, str = 2, num = 3, num_unit = 4 };
enum class mapping_field : protozero::pbf_tag_type {
    id = 1,
    filename = 5,
    has_functions = 7,
    has_filenames = 8,
    has_line_numbers = 9,
};
enum class location_field : protozero::pbf_tag_type { id = 1, mapping_id = 2, line = 4 };
enum class line_field : protozero::pbf_tag_type { function_id = 1, line = 2 };
enum class function_field : protozero::pbf_tag_type { id = 1, name = 2, filename = 4 };

constexpr auto tag(auto field) { return static_cast<protozero::pbf_tag_type>(field); }

using writer = protozero::pbf_writer;

void write_sample(writer& out, const profile_table& all, const profile_table::sample& one) {
    writer sample(out, tag(profile_field::sample));
    sample.add_packed_uint64(tag(sample_field::location_id),
                             all.stacks.begin() + one.first_location,
                             all.stacks.begin() + one.last_location);
    sample.add_packed_int64(tag(sample_field::value), one.values.begin(),
                            one.values.begin() + static_cast<std::ptrdiff_t>(all.values.size()));
    for (std::uint32_t i = one.first_label; i != one.last_label; ++i) {
        const profile_table::label& from = all.labels[i];
        writer label(sample, tag(sample_field::label));
        label.add_int64(tag(label_field::key), from.key);
        if (from.text != 0) {
            label.add_int64(tag(label_field::str), from.text);
        } else {
            label.add_int64(tag(label_field::num), from.number);
            if (from.unit != 0) label.add_int64(tag(label_field::num_unit), from.unit);
        }
    }
}

// Each line is a location and a function of its own: readers add up by name all the same.
void write_location(writer& out, std::uint64_t id, const profile_table::location& from) {
    {
        writer function(out, tag(profile_field::function));
        function.add_uint64(tag(function_field::id), id);
        function.add_int64(tag(function_field::name), from.function);
        function.add_int64(tag(function_field::filename), from.file);
    }
    writer location(out, tag(profile_field::location));
    location.add_uint64(tag(location_field::id), id);
    location.add_uint64(tag(location_field::mapping_id), 1);
    writer line(location, tag(location_field::line));
    line.add_uint64(tag(line_field::function_id), id);
    line.add_int64(tag(line_field::line), from.line);
}

std::string message(const profile_table& all) {
    std::string bytes;
    writer out(bytes);
    for (const profile_table::value_type& one : all.values) {
        writer value(out, tag(profile_field::sample_type));
        value.add_int64(tag(value_field::type), one.type);
        value.add_int64(tag(value_field::unit), one.unit);
    }
    for (const profile_table::sample& one : all.samples)
        write_sample(out, all, one);
    {
        // Says that nothing has to be looked up in a program.
        writer mapping(out, tag(profile_field::mapping));
        mapping.add_uint64(tag(mapping_field::id), 1);
        mapping.add_bool(tag(mapping_field::has_functions), true);
        mapping.add_bool(tag(mapping_field::has_filenames), true);
        mapping.add_bool(tag(mapping_field::has_line_numbers), true);
    }
    for (std::size_t i = 0; i < all.locations.size(); ++i)
        write_location(out, i + 1, all.locations[i]);
    for (const std::string* text : all.texts.all())
        out.add_string(tag(profile_field::string_table), *text);
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    out.add_int64(tag(profile_field::time_nanos),
                  std::chrono::duration_cast<std::chrono::nanoseconds>(now).count());
    out.add_int64(tag(profile_field::default_sample_type), all.values.front().type);
    return bytes;
}

std::string compress(const std::string& bytes) {
    constexpr int gzip = 16;  // added to the window: not zlib's own header
    z_stream stream = {};
    if (deflateInit2(&stream, Z_BEST_SPEED, Z_DEFLATED, MAX_WBITS + gzip, 8, Z_DEFAULT_STRATEGY) !=
        Z_OK)
        RF_THROW(std::bad_alloc());  // the only way to fail with these parameters
    std::string out(deflateBound(&stream, static_cast<uLong>(bytes.size())), '\0');
    // zlib does not write to it.
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
    stream.avail_in = static_cast<uInt>(bytes.size());
    stream.next_out = reinterpret_cast<Bytef*>(out.data());
    stream.avail_out = static_cast<uInt>(out.size());
    const int status = deflate(&stream, Z_FINISH);
    out.resize(stream.total_out);
    (void)deflateEnd(&stream);
    RF_ASSERT(status == Z_STREAM_END, "zlib needed more room than it had said");
    return out;
}

}  // namespace

std::string encode_profile(const profile_table& table) { return compress(message(table)); }
bool can_encode_profiles() noexcept { return true; }

}  // namespace rf::leakcheck::detail

#else

#include <ringfence/runtime/assert.hpp>

#include <stdexcept>

namespace rf::leakcheck::detail {

std::string encode_profile(const profile_table&) {
    RF_THROW(std::runtime_error(
        "leakcheck::profile: this ringfence was built without profiles; install "
        "libprotozero-dev and zlib1g-dev and configure it with -Dprofile=enabled"));
}
bool can_encode_profiles() noexcept { return false; }

}  // namespace rf::leakcheck::detail

#endif
