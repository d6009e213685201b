// SPDX-License-Identifier: MIT
// Each line that must be reported names the check after `expect`.

rf::task<> conditions(stream& s) {
    if (co_await s.ready()) return;            // expect: condition
    while (co_await s.ready()) {               // expect: condition
        step();
    }
    switch (co_await s.state()) {              // expect: condition
        case 1: if (!(co_await s.ready()).ok()) break;  // expect: condition
        default: break;
    }
    do {
        step();
    } while (co_await s.more());               // expect: condition
    for (;;) {
        if (co_await s.ready()) break;         // expect: condition
        else if (1 == co_await s.state()) break;  // expect: condition
    }
    if constexpr (true) {
        if (auto n = 3; co_await s.ready()) step(n);  // expect: condition
    }
    bool ok;
    if (ok = co_await s.ready()) step();       // expect: condition
    if (s.last = co_await s.ready()) step();   // expect: condition
    auto inner = [&]() -> rf::task<> {
        if (co_await s.ready()) step();        // expect: condition
    };
    if (run([] { return 1; }) &&
        co_await s.ready())                    // expect: condition
        step();
}

struct member {
    member() : a_{1}, b_{2} {}
    rf::task<int> read() const noexcept {
        while (!co_await ready()) {}           // expect: condition
        co_return 1;
    }
    int a_, b_;
};

#if defined(ONE)
rf::task<> one() {
    if (co_await a()) {                        // expect: condition
#else
rf::task<> other() {
    if (co_await b()) {                        // expect: condition
#endif
    }
}
