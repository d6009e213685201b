// SPDX-License-Identifier: MIT
// Aggregates that own something, as temporaries of an awaiting expression.

struct options {
    std::string host;
    int port = 80;
    rf::task<> serve() { co_await step(); }
};
struct nested {
    int first = 1;
    options second;
};
struct closing {
    int fd;
    ~closing() { ::close(fd); }
};
struct [[nodiscard]] waits : base {
    std::vector<int> held;
    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<>) {}
    void await_resume() {}
};

rf::task<> aggregates(std::string s) {
    co_await connect(options{.host = "x"});           // expect: aggregate
    co_await connect(1, nested{1, {s, 2}});           // expect: aggregate
    co_await connect(net::options{s, 1});             // expect: aggregate
    co_await options{s, 1}.serve();                   // expect: aggregate
    co_await waits{{1, 2}};                           // expect: aggregate
    co_await keep(closing{3});                        // expect: aggregate
    auto n = co_await outer(inner(options{}));        // expect: aggregate
}
