// SPDX-License-Identifier: MIT
// Nothing here is to be reported.

// if (co_await x) in a comment is no code, nor is "if (co_await x)" in a string.
const char* text = "if (co_await x) { \" }";
const char* raw = R"x(if (co_await x) { ")x";
const char quote = '"';
const int big = 1'000'000;

struct [[nodiscard]] options {
    int a = 1;
    std::vector<int> b{1, 2, 3};
};

enum class state : int { open, closed };

template <class T>
    requires std::is_class_v<T>
rf::task<T> generic(T t) {
    co_return t;
}

class reader final : public base {
public:
    explicit reader(int fd) noexcept : fd_{fd}, name_("x") { start(); }
    auto operator co_await() const noexcept -> awaiter { return awaiter{*this}; }
    rf::task<int> read() && { co_return co_await impl(); }
    int operator[](int i) const { return data_[i]; }

private:
    int fd_;
    int data_[2] = {1, 2};
};

rf::task<> accepted(stream& s, bool c, int values[]) {
    bool ready = co_await s.ready();
    if (ready) step();
    if (auto r = co_await s.ready()) step();
    if (auto r = co_await s.ready(); r > 2) step();
    if (const std::optional<int>& r = co_await s.read()) step();
    if (int* p{co_await s.pointer()}) step();
    while (auto chunk = co_await s.read()) co_await s.write_all(chunk);
    for (auto it = co_await begin(); it != end(); co_await next(it)) step();
    for (auto& part : co_await s.parts()) step(part);

    co_await rf::with_nursery([&](rf::nursery& n) -> rf::task<> {
        for (;;) n.spawn(echo, co_await s.accept());
    });
    co_await rf::with_nursery({.on_failure = rf::isolate}, [&](rf::nursery& n) -> rf::task<> {
        n.spawn([s = std::string("x")] { return use(s); });
        co_return;
    });
    co_await f([] { return 1; }, [this] { return 2; }, [&s, &t = c] { return 3; });
    auto named = [s] { return s; };
    co_await f(std::move(named));
    if (run([]() -> rf::task<> { co_await step(); })) step();
    CHECK(run([]() -> rf::task<> { co_await step(); }) == 1);

    int n = c ? co_await count() : 0;
    bool flag = c && co_await s.ready();
    co_await f(c ? 1 : 2, c ? "a" : "b", c ? nullptr : &s);
    pair p{1, 2};
    int one{co_await count()};
    auto two{co_await count()};
    std::size_t three{co_await count()};
    co_return;
    auto pair = co_await both();
    auto& [a, b] = pair;
    values[co_await count()] = 1;
    delete[] values;
    if (c) [[likely]] co_await step();

    try {
        co_await s.read();
    } catch (const rf::io::io_error& error) {
        log(error);
    }
    try {
        co_await s.read();
    } catch (...) {
        throw;
    }
    try {
        step();
    } catch (...) {
        rollback();
        throw;
    }
    RF_TRY {
        co_await s.read();
        step();
    }
    RF_CATCH(const error& e) { log(e); }

    if (co_await s.ready()) step();  // await-lint: ok shows what the lint is for
    // await-lint: ok the next line too
    if (co_await s.ready()) step();
    switch (c) {
        case 1: {
            co_await step();
            break;
        }
        default: co_await step();
    }
}

extern "C" {
void outside(void);
}

TEST_CASE("name: says what happens") {
    rf::run([]() -> rf::task<> {
        const int n = co_await count();
        CHECK(n == 5);
    });
}

struct plain {
    std::string_view name;
    std::chrono::milliseconds limit{};
    const std::string* text = nullptr;
    std::span<const std::string> parts;
    std::string (*made)(int) = nullptr;
};
struct with_constructor {
    with_constructor() = default;
    with_constructor(std::string s) : text(std::move(s)) {}
    std::string text;
};
class hidden {
    std::string text;
};
struct owner {
    std::string text;
    struct view { int size; };
};

rf::task<> types_that_are_safe(std::string s) {
    co_await f(plain{.name = "x"});
    co_await f(with_constructor{s});
    co_await f(hidden{});
    co_await f(owner::view{1});
    owner named{s};
    co_await f(std::move(named));
    use(owner{s});
}
