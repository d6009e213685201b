// SPDX-License-Identifier: MIT
#include "service.hpp"

#include <array>
#include <filesystem>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace demo {
namespace {

constexpr std::string_view greeting = "listening on ";

rf::task<bool> read_more(service& from) {
    std::array<char, 256> piece;
    const std::size_t size =
        co_await from.process.output.read_some(std::as_writable_bytes(std::span(piece)));
    from.output.append(piece.data(), size);
    co_return size != 0;
}

}  // namespace

rf::task<service> start_service() {
    const auto folder = std::filesystem::read_symlink("/proc/self/exe").parent_path();
    const std::vector<std::string> command = {(folder / "echo_server").string(), "0"};
    rf::io::spawn_options options;
    options.output = rf::io::stdio::piped();
    options.new_group = true;  // a Ctrl-C is for this program, which tells the service
    service started;
    started.process = rf::io::process::spawn(command, options);
    std::size_t line_end = std::string::npos;
    while (line_end == std::string::npos) {
        const bool more = co_await read_more(started);
        if (!more) throw std::runtime_error("the echo service did not start");
        line_end = started.output.find('\n');
    }
    const std::string line = started.output.substr(0, line_end);
    started.output.erase(0, line_end + 1);
    if (!line.starts_with(greeting))
        throw std::runtime_error("the echo service said what nobody expected: " + line);
    started.address = rf::io::endpoint::parse(line.substr(greeting.size())).value();
    co_return started;
}

rf::task<rf::io::exit_status> end_of(service& running) {
    bool more = true;
    while (more)
        more = co_await read_more(running);
    co_return co_await running.process.wait();
}

}  // namespace demo
