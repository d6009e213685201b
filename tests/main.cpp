// SPDX-License-Identifier: MIT
// The main of every test executable. Each test case must leave descriptors and frames as it found
// them; the run fails otherwise.
#define DOCTEST_CONFIG_IMPLEMENT
#include <ringfence/leakcheck/doctest.hpp>

int main(int argc, char** argv) {
    doctest::Context context(argc, argv);
    return rf::leakcheck::run_guarded(context);
}
