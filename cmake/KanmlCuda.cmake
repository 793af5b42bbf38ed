# Block programs compiled for GPUs. That takes nvcc, but no GPU.

# For A100 and H100; and as PTX, which drivers compile for later ones.
if(NOT CMAKE_CUDA_ARCHITECTURES)
  set(CMAKE_CUDA_ARCHITECTURES 80-real 90-real 90-virtual)
endif()
enable_language(CUDA)

add_library(kanml_cuda STATIC
  cpp/cuda/evaluate.cu
  cpp/cuda/gradient.cu
  cpp/cuda/losses.cu
  cpp/cuda/program.cu
  cpp/cuda/rows.cu)
target_include_directories(kanml_cuda PUBLIC cpp cpp/include)
target_compile_features(kanml_cuda PUBLIC cuda_std_20)
target_compile_options(kanml_cuda PRIVATE
  --expt-relaxed-constexpr              # functions of the standard library that are constexpr
  -Xptxas=-v)                           # prints registers, shared memory and spills of each kernel
