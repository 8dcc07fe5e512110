// A node of libtorch's graph whose backward pass is a function of Rust. See src/lib.rs, the only caller.

#include <cstdint>
#include <cstring>
#include <exception>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include <torch/csrc/autograd/function.h>
#include <torch/csrc/autograd/functions/utils.h>
#include <torch/csrc/autograd/saved_variable.h>
#include <torch/csrc/autograd/variable.h>

using torch::autograd::SavedVariable;
using torch::autograd::variable_list;

extern "C" {
// Takes the gradient of the output and the saved tensors, which it may move from, and fills `gradients` with new tensors or nothing
// where `wanted` is set. Returns an error message to be given to `release`, or null.
typedef char *(*medley_backward)(void *state, at::Tensor *gradient, at::Tensor **saved, const bool *wanted,
                                 at::Tensor **gradients);
typedef void (*medley_drop)(void *state);
typedef void (*medley_release)(char *message);
}

namespace {

struct RustNode : public torch::autograd::Node {
  void *state;
  medley_backward backward;
  medley_drop drop;
  medley_release release;
  std::vector<SavedVariable> saved;

  RustNode(void *state, medley_backward backward, medley_drop drop, medley_release release)
      : state(state), backward(backward), drop(drop), release(release) {}

  ~RustNode() override { drop(state); }

  std::string name() const override { return "RustNode"; }

  // The engine calls this when the graph has been gone through and is not kept.
  void release_variables() override {
    for (auto &variable : saved) variable.reset_data();
  }

  variable_list apply(variable_list &&gradients) override {
    variable_list results(num_outputs());
    if (!gradients[0].defined()) return results;
    std::vector<at::Tensor *> inputs;
    for (auto &variable : saved) inputs.push_back(new at::Tensor(variable.unpack()));
    std::unique_ptr<bool[]> wanted(new bool[num_outputs()]);
    for (size_t index = 0; index < num_outputs(); index++) wanted[index] = task_should_compute_output(index);
    std::vector<at::Tensor *> outputs(num_outputs(), nullptr);
    char *message =
        backward(state, new at::Tensor(std::move(gradients[0])), inputs.data(), wanted.get(), outputs.data());
    for (size_t index = 0; index < num_outputs(); index++) {
      if (outputs[index] == nullptr) continue;
      results[index] = std::move(*outputs[index]);
      delete outputs[index];
    }
    if (message != nullptr) {
      std::string text(message);
      release(message);
      throw std::runtime_error(text);
    }
    return results;
  }
};

}  // namespace

extern "C" {

// Makes `output`, which has no history yet, the result of a function of `inputs`. `state` is dropped with the node, or at once when
// nothing asks for a gradient. Returns null or a message to be given to `free`.
char *medley_attach(at::Tensor *output, at::Tensor **inputs, size_t inputs_len, at::Tensor **saved, size_t saved_len,
                    void *state, medley_backward backward, medley_drop drop, medley_release release) {
  std::shared_ptr<RustNode> node;
  try {
    node = std::shared_ptr<RustNode>(new RustNode(state, backward, drop, release), torch::autograd::deleteNode);
  } catch (const std::exception &error) {
    drop(state);
    return strdup(error.what());
  }
  try {
    variable_list from;
    for (size_t index = 0; index < inputs_len; index++) from.push_back(*inputs[index]);
    bool wanted = at::GradMode::is_enabled();
    if (wanted) {
      wanted = false;
      for (const auto &input : from) wanted = wanted || input.requires_grad();
    }
    if (!wanted) return nullptr;
    node->set_next_edges(torch::autograd::collect_next_edges(from));
    for (size_t index = 0; index < saved_len; index++) node->saved.emplace_back(*saved[index], false);
    torch::autograd::set_history(*output, node);
    return nullptr;
  } catch (const std::exception &error) {
    return strdup(error.what());
  }
}
}
