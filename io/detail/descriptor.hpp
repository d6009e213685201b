// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/runtime/frame_pool.hpp>
#include <ringfence/runtime/ledger.hpp>
#include <ringfence/runtime/operation.hpp>
#include <ringfence/runtime/uring_file_requests.hpp>

#include <cerrno>
#include <cstddef>
#include <utility>

namespace rf::io::detail {

/// An open descriptor and what must end before it is closed: the shared half of every I/O object.
/// Heap-allocated (from the frame pool), because it outlives its handle by the time that the
/// kernel takes to let go of it.
///
/// Closing: release() cancels what is in flight, waits for the kernel, and then closes through the
/// ring. The loop does not end before that.
class descriptor : operation {
public:
    descriptor(int fd, const char* kind) noexcept : fd_(fd) { entry_.open(fd, kind); }

    [[nodiscard]] int fd() const noexcept { return fd_; }
    [[nodiscard]] const descriptor_entry& entry() const noexcept { return entry_; }

    /// The handle is gone. Frees this object once the kernel has let go.
    void release() noexcept {
        released_ = true;
        entry_.close();  // nobody owns it any more; the loop stays for the operations still out
        stop();
        close_if_idle();
    }

    /// Gives the descriptor away, unclosed. Nothing may be in flight.
    [[nodiscard]] int detach() noexcept {
        entry_.close();
        return std::exchange(fd_, -1);
    }

    virtual ~descriptor() = default;
    static void* operator new(std::size_t size) { return frame_pool::allocate(size); }
    static void operator delete(void* block, std::size_t size) noexcept {
        frame_pool::release(block, size);
    }

protected:
    /// Cancels what is in flight and drops what has been received.
    virtual void stop() noexcept {}
    /// Whether the kernel holds nothing but the descriptor itself.
    [[nodiscard]] virtual bool idle() const noexcept { return true; }

    /// To be called when something in flight has ended.
    void close_if_idle() noexcept {
        if (!released_ || closing_ || !idle()) return;
        closing_ = true;
        if (fd_ < 0) {
            delete this;
            return;
        }
        rf::detail::prep::close(submit(), fd_);
    }
    [[nodiscard]] bool released() const noexcept { return released_; }

private:
    template <class T>
    friend class descriptor_handle;

    void on_completion(std::int32_t res, std::uint32_t) noexcept override {
        if (res == -EBADF) [[unlikely]]
            loop::here().ledger().closed_twice(entry_, fd_);
    }
    void on_retired() noexcept override {
        // EIO and its kin say that earlier writes were lost; the descriptor is gone all the same.
        delete this;
    }

    descriptor_entry entry_;
    int fd_;
    bool released_ = false;
    bool closing_ = false;
};

/// Owns a descriptor object; what the public handles are made of.
template <class State>
class descriptor_handle {
public:
    descriptor_handle() noexcept = default;
    template <class... Args>
    [[nodiscard]] static descriptor_handle make(Args&&... args) {
        return descriptor_handle(new State(static_cast<Args&&>(args)...));
    }
    descriptor_handle(descriptor_handle&& other) noexcept
        : state_(std::exchange(other.state_, nullptr)) {}
    descriptor_handle& operator=(descriptor_handle&& other) noexcept {
        if (this != &other) {
            reset();
            state_ = std::exchange(other.state_, nullptr);
        }
        return *this;
    }
    ~descriptor_handle() { reset(); }

    void reset() noexcept {
        if (State* old = std::exchange(state_, nullptr)) static_cast<descriptor*>(old)->release();
    }
    [[nodiscard]] explicit operator bool() const noexcept { return state_ != nullptr; }

    /// The state; use after close or after a move is refused.
    [[nodiscard]] State& operator*() const noexcept { return *checked(); }
    [[nodiscard]] State* operator->() const noexcept { return checked(); }
    [[nodiscard]] State* get() const noexcept { return state_; }

private:
    explicit descriptor_handle(State* state) noexcept : state_(state) {}
    State* checked() const noexcept {
        RF_ASSERT(state_ != nullptr, "an I/O object was used after it was closed or moved from");
        return state_;
    }
    State* state_ = nullptr;
};

}  // namespace rf::io::detail
