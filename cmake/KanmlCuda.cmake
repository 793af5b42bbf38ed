# Code for GPUs. That takes nvcc of CUDA 12 or newer, but no GPU; where cuSOLVER is, it factorises.

# For A100 and H100; and as PTX, which drivers compile for later ones.
if(NOT CMAKE_CUDA_ARCHITECTURES)
  set(CMAKE_CUDA_ARCHITECTURES 80-real 90-real 90-virtual)
endif()
enable_language(CUDA)
find_package(CUDAToolkit 12 REQUIRED)

add_library(kanml_cuda STATIC
  cpp/cuda/cuda_device.cu
  cpp/cuda/cuda_network_double.cpp
  cpp/cuda/cuda_network_float.cpp
  cpp/cuda/evaluate.cu
  cpp/cuda/gradient.cu
  cpp/cuda/losses.cu
  cpp/cuda/program.cu
  cpp/cuda/pull.cu
  cpp/cuda/push.cu
  cpp/cuda/rows.cu
  cpp/cuda/tile_records.cu
  cpp/cuda/vectors.cu)
target_include_directories(kanml_cuda PUBLIC cpp cpp/include)
target_include_directories(kanml_cuda PRIVATE ${PROJECT_BINARY_DIR}/generated)
target_compile_features(kanml_cuda PUBLIC cxx_std_20 cuda_std_20)
set_target_properties(kanml_cuda PROPERTIES POSITION_INDEPENDENT_CODE ON)
target_link_libraries(kanml_cuda PUBLIC OpenMP::OpenMP_CXX CUDA::cudart_static)
target_compile_options(kanml_cuda PRIVATE
  $<$<COMPILE_LANGUAGE:CUDA>:--expt-relaxed-constexpr   # functions of the standard library that are constexpr
  -Xptxas=-v>)                                          # prints registers, shared memory and spills of each kernel
set_source_files_properties(cpp/cuda/vectors.cu PROPERTIES
  COMPILE_OPTIONS -fmad=false)  # rounded as it is written, like the core: the same bits as on the host
if(TARGET CUDA::cusolver)
  target_sources(kanml_cuda PRIVATE cpp/cuda/cuda_triangle.cu cpp/cuda/panel.cu)
  target_compile_definitions(kanml_cuda PUBLIC KANML_CUSOLVER)
  target_link_libraries(kanml_cuda PUBLIC CUDA::cusolver)
endif()

target_link_libraries(kanml_core PUBLIC kanml_cuda)
target_compile_definitions(kanml_core PRIVATE KANML_CUDA)
