// SPDX-License-Identifier: MIT

rf::task<> temporaries(std::string s, bool c) {
    co_await f([s] { use(s); });                      // expect: lambda
    co_await f([=] { use(s); });                      // expect: lambda
    co_await f([&, s] { use(s); });                   // expect: lambda
    co_await f([t = std::move(s)]() mutable { use(t); });  // expect: lambda
    co_await f([*this] { use(s); });                  // expect: lambda
    co_await [s]() -> rf::task<> { co_return; }();    // expect: lambda
    auto a = g([s] { use(s); }, co_await h());        // expect: lambda
    co_await outer(inner(
        [s](int a, std::pair<int, int> b) -> std::pair<int, int> { return b; }));  // expect: lambda
    for (auto x : co_await f([s] { use(s); })) {      // expect: lambda
    }

    auto l = [x = co_await h()] { return x; };        // expect: capture

    std::string t = c ? co_await name() : s;          // expect: ternary
    co_await f(c ? std::string("a") : s);             // expect: ternary
    co_await f(1, c ? options{1} : options{2});       // expect: ternary
    use(c ? s : co_await name());                     // expect: ternary

    pair p{co_await a(), co_await b()};               // expect: braces
    std::array<item, 2> q = {co_await a(), co_await b()};  // expect: braces
    options o{.name = co_await name()};               // expect: braces
    co_await f({co_await a(), 1});                    // expect: braces
    auto v = std::vector<int>{co_await a()};          // expect: braces
    co_return {co_await a(), 1};                      // expect: braces

    auto n = ({ auto r = co_await a(); r.value(); }); // expect: statement-expression

    auto [one, two] = co_await both();                // expect: binding
    const auto [three, four] = co_await both();       // expect: binding
    auto&& [five, six] = co_await both();             // expect: binding
    if (auto [seven, eight] = co_await both(); seven) {  // expect: binding
    }

    CHECK(co_await count() == 5);                     // expect: macro
    RF_ASSERT(1 + co_await count() == 5, "five");     // expect: macro
}

#define TRY(x) ({ auto r_ = co_await x; r_; })        // expect: statement-expression
#define TRY_LONG(x)    /* expect: statement-expression */ \
    (                                                 \
        {                                             \
            auto r_ = co_await x;                     \
        })
