/*
 * Names of GPU models: one generic name for what people, clouds and drivers write in many ways. Pure functions.
 *
 * Generic: lower case, words joined by "-", without the maker and the product line ("nvidia-tesla-t4", "Tesla T4" and
 * "NVIDIA-T4" are "t4"), without the form (SXM, PCIe), memory only where the model comes with more than its usual one
 * ("A100-SXM4-80GB" is "a100-80gb", "A100 PCIe 40GB" is "a100").
 */
#ifndef MUSTER_PROVIDERS_COMMON_GPU_MODEL_H
#define MUSTER_PROVIDERS_COMMON_GPU_MODEL_H

#include "server/base/err.h"

#include <stdbool.h>
#include <stddef.h>

#define GPU_MODEL_MAX 48 /* of a generic name or a Vast.ai name, with its end */

/* The generic name of any text, known or not. false, and out empty: nothing is left of it, or it is too long. */
bool gpu_model_normal(const char *text, char out[GPU_MODEL_MAX]);

/* Would a machine with `have` satisfy one who asked for `asked`? Any spelling of both. The same model, or the asked
 * one with more memory: "a100" takes "a100-80gb", not the other way round. */
bool gpu_model_fits(const char *asked, const char *have);

/* Is it known to be made by another maker than NVIDIA, so that nvidia-smi will never list it? */
bool gpu_model_is_foreign(const char *gpu);

/* For a person: "an A100-80GB", "a T4". */
void gpu_model_with_article(const char *gpu, char *out, size_t size);

/* What Compute Engine calls the accelerator ("nvidia-tesla-t4", "nvidia-l4"); NULL: not known there. */
const char *gpu_model_gcp(const char *gpu);

/* The names under which Vast.ai's offers list it ("A100 PCIE", "A100 SXM4"), by number from 0; NULL: no more. */
const char *gpu_model_vast(const char *gpu, size_t i);

/* Vast.ai's instance type "{count}x{MODEL}" ("2xRTX_4090"): name as offers have it ("RTX 4090"). ERR_INVALID. */
int gpu_vast_type(const char *type, int *count, char name[GPU_MODEL_MAX], struct err *e) MUST_USE;

#endif
