// SPDX-License-Identifier: MIT

rf::task<> cleanup(file& f) {
    try {
        co_await f.write("x");
    } catch (...) {                                   // expect: catch
        f.rollback();
        throw;
    }
    try {
        co_await f.write("x");
    } catch (const rf::io::io_error& error) {
        log(error);
    } catch (...) {                                   // expect: catch
        f.rollback();
    }
}

rf::task<> silenced_without_reason(stream& s) {
    if (co_await s.ready()) return;  // await-lint: ok
    // The line above is reported twice: expect-above: condition, escape
}
